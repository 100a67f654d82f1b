"""huggingface_hub's inference clients, against a server as text-generation-inference is one."""

from __future__ import annotations

import dataclasses

from . import openai_like
from .case import Case, Library, answered, user
from .wire import Body, Events


def sync_client(url):
    from huggingface_hub import InferenceClient

    return InferenceClient(base_url=url, api_key="k")


def async_client(url):
    from huggingface_hub import AsyncInferenceClient

    return AsyncInferenceClient(base_url=url, api_key="k")


def of_the_hub(case):
    """A case of OpenAI's wire format, without what is OpenAI's own."""
    attributes = {key: value for key, value in case.attributes.items() if key != "openai.api.type"}
    return dataclasses.replace(case, attributes=attributes)


MODEL = {"gen_ai.operation.name": "text_completion"}
DETAILS = {"finish_reason": "length", "generated_tokens": 2, "seed": None}
PREFILL = [{"id": 1, "text": "Hi", "logprob": None}]
CONTENT = {"input": [user("Hi")]}


def token(text, index, **more):
    """A token of a stream."""
    return {"index": index, "token": {"id": index, "logprob": 0.0, "special": text == "</s>", "text": text}, **more}


TOKENS = Events([
    token("Hel", 1), token("lo.", 2),
    token("</s>", 3, generated_text="Hello.", details={**DETAILS, "input_length": 3}),
])  # fmt: skip
COUNTED = {"gen_ai.usage.output_tokens": 2, "gen_ai.response.finish_reasons": ["length"]}
PARAMETERS = {"max_new_tokens": 9, "temperature": 0.5, "top_k": 5, "stop": ["END"], "seed": 1}
ASKED = {
    "gen_ai.request.max_tokens": 9, "gen_ai.request.temperature": 0.5, "gen_ai.request.top_k": 5,
    "gen_ai.request.stop_sequences": ["END"], "gen_ai.request.seed": 1,
}  # fmt: skip
CASES = [
    *map(of_the_hub, openai_like.chat_cases()),
    Case(name="text", call=lambda c: c.text_generation("Hi", **PARAMETERS), spans=["text_completion"],
         answers=[Body([{"generated_text": "Hello."}])], attributes={**MODEL, **ASKED},
         content={**CONTENT, "output": [answered(None, "Hello.")]}),
    Case(name="text-details", call=lambda c: c.text_generation("Hi", details=True),
         answers=[Body([{"generated_text": "Hello.", "details": {**DETAILS, "prefill": PREFILL, "tokens": []}}])],
         spans=["text_completion"], attributes={**MODEL, **COUNTED, "gen_ai.usage.input_tokens": 1},
         content={**CONTENT, "output": [answered("length", "Hello.")]}),
    Case(name="text-stream", call=lambda c: c.text_generation("Hi", stream=True), stream=True,
         answers=[TOKENS], spans=["text_completion"], attributes={**MODEL, "rlhf.stream.chunks": 3},
         content={**CONTENT, "output": [answered(None, "Hello.</s>")]}),
    Case(name="text-stream-details", stream=True, answers=[TOKENS], spans=["text_completion"],
         call=lambda c: c.text_generation("Hi", stream=True, details=True),
         attributes={**MODEL, **COUNTED, "gen_ai.usage.input_tokens": 3, "rlhf.stream.chunks": 3},
         content={**CONTENT, "output": [answered("length", "Hello.")]}),
    Case(name="embeddings", call=lambda c: c.feature_extraction(["Hi", "Ho"]), spans=["embeddings"],
         answers=[Body([[0.1, 0.2], [0.3, 0.4]])], content={"input": [user("Hi"), user("Ho")]},
         attributes={"gen_ai.operation.name": "embeddings", "gen_ai.embeddings.dimension.count": 2}),
]  # fmt: skip
LIBRARY = Library(
    package="huggingface_hub", clients={"sync": sync_client, "async": async_client}, provider="huggingface", cases=CASES
)
