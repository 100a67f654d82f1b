"""Frameworks above the client libraries, against a fake provider; everything that we know is recorded."""

from __future__ import annotations

import asyncio
import os

import pytest

from rlhf_otel import handles, instrumentation
from rlhf_otel.testing import FakeLLM, capture

os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LANGSMITH_TRACING="false", OPENAI_AGENTS_DISABLE_TRACING="1")
"""What the frameworks would fetch or send of their own accord."""


def pytest_itemcollected(item):
    """What frameworks warn of is theirs to mend."""
    item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="module")
def server():
    """A fake provider."""
    with FakeLLM() as made:
        yield made


@pytest.fixture(scope="session")
def run():
    """Runs coroutines on one event loop, as frameworks keep clients that belong to one."""
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def llm(server):
    """The provider, with nothing scripted and nothing asked yet."""
    server.clear()
    yield server
    server.clear()


@pytest.fixture
def kept():
    """All libraries are recorded."""
    instrumentation.switch_on()
    with capture() as made:
        yield made
    instrumentation.switch_off()
    handles.forget()


@pytest.fixture
def one(kept, llm):
    """Checks that each request made one span of a model, with its usage; returns the last."""

    def check(requests: int = 1):
        spans = [span for span in kept.spans if "gen_ai.usage.input_tokens" in span.attributes]
        assert len(llm.requests) == requests
        assert len(spans) == requests
        return spans[-1]

    return check
