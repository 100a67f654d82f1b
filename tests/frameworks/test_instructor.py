"""instructor over the SDKs and litellm: each request is a span, those that it makes again included."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest
from pydantic import BaseModel, field_validator

from rlhf_otel.testing import Reply, ToolCall

instructor = pytest.importorskip("instructor")
HI = [{"role": "user", "content": "Capital of France?"}]


class City(BaseModel):
    """A city."""

    name: str

    @field_validator("name")
    @classmethod
    def is_a_name(cls, value):
        if value.islower():
            raise ValueError("begins with a capital")
        return value


def city(name):
    """The model's call of the function that stands for the answer."""
    return Reply(tool_calls=[ToolCall("City", json.dumps({"name": name}), id="call_1")])


def openai_client(llm, made=openai.OpenAI):
    return instructor.from_openai(made(base_url=llm.openai_url, api_key="k", max_retries=0))


def anthropic_client(llm):
    return instructor.from_anthropic(anthropic.Anthropic(base_url=llm.anthropic_url, api_key="k", max_retries=0))


CLIENTS = {"openai": openai_client, "anthropic": anthropic_client}
each_client = pytest.mark.parametrize("client", CLIENTS)
ASKED = {"model": "m", "messages": HI, "response_model": City, "max_tokens": 50}


@each_client
def test_an_answer(one, llm, client):
    """A structured answer is one call, whose arguments are the answer."""
    llm.script(city("Paris"))
    assert CLIENTS[client](llm).chat.completions.create(**ASKED).name == "Paris"
    (part,) = json.loads(one().attributes["gen_ai.output.messages"])[0]["parts"]
    assert (part["name"], part["arguments"]) == ("City", {"name": "Paris"})


@each_client
def test_an_answer_that_is_asked_for_again(kept, one, llm, client):
    """An answer that does not validate is asked for again: two requests, two spans, tokens counted once each."""
    llm.script(city("paris"), city("Paris"))
    made = CLIENTS[client](llm).chat.completions.create(max_retries=2, **ASKED)
    assert made.name == "Paris"
    span = one(2)
    assert [s.attributes["gen_ai.usage.output_tokens"] for s in kept.spans] == [9, 9]
    assert len(json.loads(span.attributes["gen_ai.input.messages"])) > 1


def test_asynchronously(one, run, llm):
    """The same with an asynchronous client."""
    llm.script(city("paris"), city("Paris"))
    client = openai_client(llm, openai.AsyncOpenAI)
    assert run(client.chat.completions.create(max_retries=2, **ASKED)).name == "Paris"
    one(2)


def test_partial_answers(kept, llm):
    """Answers that grow while they are streamed are one call."""
    llm.script(city("Paris"))
    grown = list(openai_client(llm).chat.completions.create_partial(**ASKED))
    assert grown[-1].name == "Paris"
    (span,) = kept.spans
    assert span.attributes["rlhf.stream.end"] == "completed"


def test_through_litellm(one, llm):
    """Over litellm, which asks Anthropic itself, and again where it has to: a span for each."""
    litellm = pytest.importorskip("litellm")
    llm.script(city("paris"), city("Paris"))
    client = instructor.from_litellm(litellm.completion)
    asked = {**ASKED, "model": "anthropic/claude-x", "api_base": llm.anthropic_url, "api_key": "k"}
    assert client.chat.completions.create(max_retries=2, **asked).name == "Paris"
    assert one(2).name == "chat claude-x"
