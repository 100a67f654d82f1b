"""The fake provider and strict clients that talk to it: a wire object that the real API would not send fails here."""

from __future__ import annotations

import os

import pytest
from anthropic import Anthropic
from openai import OpenAI

from rlhf_otel.testing import FakeLLM


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No setting of the machine reaches a test."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "RLHF_OTEL_", "OPENAI_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def llm():
    """A fake provider with nothing scripted."""
    with FakeLLM() as server:
        yield server


@pytest.fixture
def openai_client(llm):
    """A synchronous OpenAI client that never retries."""
    with OpenAI(base_url=llm.openai_url, api_key="test", max_retries=0, _strict_response_validation=True) as client:
        yield client


@pytest.fixture
def anthropic_client(llm):
    """A synchronous Anthropic client that never retries."""
    with Anthropic(
        base_url=llm.anthropic_url, api_key="test", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client
