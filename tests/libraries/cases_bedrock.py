"""boto3's Bedrock runtime: Converse, and the bodies of the big families by `invoke_model`, plain and streamed."""

from __future__ import annotations

import base64
import functools
import json

from .case import Case, Library, answered, called, thought, user
from .wire import Body, Framed

ID = {"x-amzn-RequestId": "req-1"}
COUNTED = {**ID, "x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-output-token-count": "2"}
SERVER = {"aws.request_id": "req-1", "gen_ai.response.id": "req-1"}
CLAUDE, NOVA, LLAMA = "us.anthropic.claude-sonnet-4-5-v1:0", "amazon.nova-lite-v1:0", "meta.llama3-8b-instruct-v1:0"


class Client:
    """A client that is made when it is used, and what the cases do with it."""

    def __init__(self, url):
        self.url = url

    @functools.cached_property
    def own(self):
        """The library's client."""
        import boto3

        return boto3.client("bedrock-runtime", endpoint_url=self.url, **CREDENTIALS)

    def ask(self, operation, **given):
        """A whole answer."""
        return getattr(self.own, operation)(**given)

    def stream(self, operation, key, **given):
        """A stream."""
        return self.ask(operation, **given)[key]

    def read(self, model, asked):
        """The bytes of a body, read in two pieces."""
        body = self.ask("invoke_model", modelId=model, body=json.dumps(asked))["body"]
        return body.read(5) + body.read()


CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
PNG = b"\x89PNG"
ASKED = {
    "modelId": NOVA,
    "system": [{"text": "Be short."}],
    "messages": [
        {"role": "user", "content": [
            {"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": PNG}}},
            {"cachePoint": {"type": "default"}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": "it"}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": {"seen": "a cat"}}]}}]},
    ],
    "inferenceConfig": {"maxTokens": 50, "temperature": 0.5, "topP": 0.75, "stopSequences": ["END"]},
    "additionalModelRequestFields": {"top_k": 20},
    "toolConfig": {"tools": [{"toolSpec": {
        "name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}}]},
    "guardrailConfig": {"guardrailIdentifier": "gr-1", "guardrailVersion": "1"},
}  # fmt: skip
PARAMETERS = {"gen_ai.request.max_tokens": 50, "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.75}
MORE = {
    **SERVER, **PARAMETERS, "gen_ai.operation.name": "chat", "gen_ai.request.model": NOVA,
    "gen_ai.request.stop_sequences": ["END"], "gen_ai.request.top_k": 20, "aws.bedrock.guardrail.id": "gr-1",
    "gen_ai.usage.input_tokens": 23, "gen_ai.usage.output_tokens": 7,
    "gen_ai.usage.cache_read.input_tokens": 10, "gen_ai.usage.cache_write.input_tokens": 3,
    "rlhf.usage.cache_hit_ratio": 10 / 23,
    "gen_ai.response.finish_reasons": ["tool_use"],
}  # fmt: skip
USAGE = {
    "inputTokens": 10,
    "outputTokens": 7,
    "totalTokens": 30,
    "cacheReadInputTokens": 10,
    "cacheWriteInputTokens": 3,
}
SAID = {
    "system": [{"type": "text", "content": "Be short."}],
    "input": [
        {"role": "user", "parts": [
            {"type": "text", "content": "What is this?"},
            {"type": "uri", "modality": "image", "mime_type": "image/png", "byte_size": 4,
             "uri": "sha256:0f4636c78f65d3639ece5a064b5ae753e3408614a14fb18ab4d7540d2c248543"}]},
        {"role": "assistant", "parts": [called("look", {"at": "it"}, "t1")]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "response": [{"seen": "a cat"}]}]},
    ],
    "tools": [{"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}],
    "output": [answered("tool_call", thought("Hm."), "A cat.", called("look", {"at": "tail"}, "t2"))],
}  # fmt: skip
ANSWER = Body({
    "output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}, {"text": "A cat."},
        {"toolUse": {"toolUseId": "t2", "name": "look", "input": {"at": "tail"}}}]}},
    "stopReason": "tool_use", "usage": USAGE, "metrics": {"latencyMs": 5},
}, headers=ID)  # fmt: skip


def framed(*messages):
    """Events by the names of their kinds."""
    return Framed([({":event-type": kind, ":content-type": "application/json"}, value) for kind, value in messages], ID)


EVENTS = (
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "A "}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "cat."}}),
    ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t2", "name": "look"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"at":'}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": ' "tail"}'}}}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}}),
)


def pieces(*chunks):
    """The chunks of a model, as `invoke_model_with_response_stream` wraps them."""
    return framed(*(("chunk", {"bytes": base64.b64encode(json.dumps(one).encode()).decode()}) for one in chunks))


def invoked(name, model, asked, whole, chunks, *, said, told, operation="chat"):
    """The two cases of a family: whole and streamed, with the same answer."""
    attributes = {**SERVER, "gen_ai.operation.name": operation, "gen_ai.request.model": model, **told}
    content = {"input": [user("Hi")], **said}
    whole_case = Case(
        name=name, call=lambda c: c.read(model, asked), answers=[Body(whole, headers=COUNTED if chunks else ID)],
        spans=[f"{operation} {model}"], attributes=attributes, content=content,
    )  # fmt: skip
    if not chunks:
        return [whole_case]
    streamed = Case(
        name=f"{name}-stream", stream=True, answers=[pieces(*chunks)], spans=[f"{operation} {model}"],
        call=lambda c: c.stream(
            "invoke_model_with_response_stream", "body", modelId=model, body=json.dumps(asked).encode()
        ),
        attributes={**attributes, "rlhf.stream.chunks": len(chunks)}, content=content,
    )  # fmt: skip
    return [whole_case, streamed]


HELLO = {"output": [answered("stop", "Hello.")]}


def counted(reason):
    """Usage, and the finish reason."""
    counts = {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 2}
    return {**counts, "gen_ai.response.finish_reasons": [reason]}


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 2, "invocationLatency": 9}}
HI = [{"role": "user", "content": "Hi"}]
CLAUDE_ASKED = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": HI}
CASES = [
    Case(name="converse", call=lambda c: c.ask("converse", **ASKED), answers=[ANSWER], spans=[f"chat {NOVA}"],
         attributes=MORE, content=SAID),
    Case(name="converse-stream", call=lambda c: c.stream("converse_stream", "stream", **ASKED), stream=True,
         answers=[framed(*EVENTS)], spans=[f"chat {NOVA}"], first=("reasoning", "token"),
         attributes={**MORE, "rlhf.stream.chunks": 10}, content=SAID),
    *invoked(
        "anthropic", CLAUDE, CLAUDE_ASKED,
        {"id": "msg_1", "model": "claude-x", "role": "assistant", "content": [{"type": "text", "text": "Hello."}],
         "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}},
        [{"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 3}}},
         {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello."}},
         {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
         {"type": "message_stop", **METRICS}],
        said=HELLO,
        told={"gen_ai.response.id": "msg_1", "gen_ai.response.model": "claude-x", "gen_ai.request.max_tokens": 9,
              **counted("end_turn")}),
    *invoked(
        "nova", NOVA, {"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                       "inferenceConfig": {"max_new_tokens": 9}},
        {"output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}}, "stopReason": "end_turn",
         "usage": {"inputTokens": 3, "outputTokens": 2}},
        [{"messageStart": {"role": "assistant"}},
         {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hello."}}},
         {"messageStop": {"stopReason": "end_turn"}},
         {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 2}}}],
        said=HELLO, told={"gen_ai.request.max_tokens": 9, **counted("end_turn")}),
    *invoked(
        "titan", "amazon.titan-text-lite-v1",
        {"inputText": "Hi", "textGenerationConfig": {"maxTokenCount": 9, "stopSequences": ["END"]}},
        {"inputTextTokenCount": 3,
         "results": [{"tokenCount": 2, "outputText": "Hello.", "completionReason": "FINISH"}]},
        [{"inputTextTokenCount": 3, "index": 0, "outputText": "Hel"},
         {"outputText": "lo.", "index": 0, "totalOutputTextTokenCount": 2, "completionReason": "FINISH"}],
        operation="text_completion", said={"output": [answered("FINISH", "Hello.")]},
        told={"gen_ai.request.max_tokens": 9, "gen_ai.request.stop_sequences": ["END"], **counted("FINISH")}),
    *invoked(
        "llama", LLAMA, {"prompt": "Hi", "max_gen_len": 9, "top_p": 0.5},
        {"generation": "Hello.", "prompt_token_count": 3, "generation_token_count": 2, "stop_reason": "stop"},
        [{"generation": "Hel", "prompt_token_count": 3, "generation_token_count": 1, "stop_reason": None},
         {"generation": "lo.", "prompt_token_count": None, "generation_token_count": 2, "stop_reason": "stop"}],
        operation="text_completion", said=HELLO,
        told={"gen_ai.request.max_tokens": 9, "gen_ai.request.top_p": 0.5, **counted("stop")}),
    *invoked(
        "mistral", "mistral.mistral-7b-instruct-v0:2", {"prompt": "Hi", "max_tokens": 9, "stop": ["END"]},
        {"outputs": [{"text": "Hello.", "stop_reason": "stop"}]},
        [{"outputs": [{"text": "Hel", "stop_reason": None}]},
         {"outputs": [{"text": "lo.", "stop_reason": "stop"}], **METRICS}],
        operation="text_completion", said=HELLO,
        told={"gen_ai.request.max_tokens": 9, "gen_ai.request.stop_sequences": ["END"], **counted("stop")}),
    *invoked(
        "mistral-chat", "mistral.mistral-large-2402-v1:0", {"messages": [{"role": "user", "content": "Hi"}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "stop_reason": "stop"}]},
        [{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "stop_reason": None}]},
         {"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "stop_reason": "stop"}],
          **METRICS}],
        said=HELLO, told=counted("stop")),
    *invoked(
        "cohere", "cohere.command-r-v1:0",
        {"message": "Hi", "preamble": "Be short.", "chat_history": [{"role": "CHATBOT", "message": "Well?"}], "p": 0.5},
        {"response_id": "c1", "generation_id": "g1", "text": "Hello.", "finish_reason": "COMPLETE"},
        [{"event_type": "text-generation", "text": "Hel"}, {"event_type": "text-generation", "text": "lo."},
         {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "Hello."}, "response_id": "c1",
          **METRICS}],
        said={"input": [answered(None, "Well?"), user("Hi")], "system": [{"type": "text", "content": "Be short."}],
              "output": [answered("COMPLETE", "Hello.")]},
        told={"gen_ai.response.id": "c1", "gen_ai.request.top_p": 0.5, **counted("COMPLETE")}),
    *invoked(
        "titan-embed", "amazon.titan-embed-text-v2:0", {"inputText": "Hi"},
        {"embedding": [0.1, 0.2], "inputTextTokenCount": 3}, [], operation="embeddings", said={},
        told={"gen_ai.usage.input_tokens": 3, "gen_ai.embeddings.dimension.count": 2}),
    *invoked(
        "cohere-embed", "cohere.embed-english-v3", {"texts": ["Hi"], "input_type": "search_query"},
        {"id": "e1", "embeddings": [[0.1, 0.2, 0.3]]}, [], operation="embeddings", said={},
        told={"gen_ai.response.id": "e1", "gen_ai.embeddings.dimension.count": 3}),
]  # fmt: skip
REFUSAL = Body({"message": "no such model"}, 400, {"x-amzn-ErrorType": "ValidationException", **ID})
LIBRARY = Library(
    package="bedrock", clients={"sync": Client}, provider="aws.bedrock", cases=CASES,
    refusal=REFUSAL,
)  # fmt: skip
