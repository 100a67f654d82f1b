"""Who answers is named by what the user says, the client's class and the host of its base URL."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import rlhf_otel
from rlhf_otel import config, hooks
from rlhf_otel.export import setup
from rlhf_otel.instrumentation.providers import load
from rlhf_otel.instrumentation.providers.hosts import HOSTS

from .routing import http_library

URLS = {
    "https://api.openai.com/v1": "openai",
    "https://us.api.openai.com/v1": "openai",
    "https://shop.openai.azure.com/openai/v1/": "azure.ai.openai",
    "https://shop.services.ai.azure.com/openai/v1/": "azure.ai.openai",
    "https://shop.services.ai.azure.com/models": "azure.ai.inference",
    "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1": "aws.bedrock",
    "https://bedrock-mantle.us-east-1.api.aws/openai/v1": "aws.bedrock",
    "https://generativelanguage.googleapis.com/v1beta/openai/": "gcp.gemini",
    "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/l/endpoints/openapi": "gcp.vertex_ai",
    "https://aiplatform.eu.rep.googleapis.com/v1": "gcp.vertex_ai",
    "https://api.anthropic.com/v1/": "anthropic",
    "https://api.deepseek.com": "deepseek",
    "https://API.DeepSeek.com/v1": "deepseek",
    "https://api.groq.com/openai/v1": "groq",
    "https://api.mistral.ai/v1": "mistral_ai",
    "https://api.x.ai/v1": "x_ai",
    "https://api.perplexity.ai": "perplexity",
    "https://api.moonshot.cn/v1": "moonshot_ai",
    "https://api.cohere.ai/compatibility/v1": "cohere",
    "https://openrouter.ai/api/v1": "openrouter",
    "https://api.together.xyz/v1": "together",
    "https://api.fireworks.ai/inference/v1": "fireworks",
    "https://api.deepinfra.com/v1/openai": "deepinfra",
    "https://api.cerebras.ai/v1": "cerebras",
    "https://integrate.api.nvidia.com/v1": "nvidia",
    "https://router.huggingface.co/v1": "huggingface",
    "https://models.github.ai/inference": "github",
    "https://api.cloudflare.com/client/v4/accounts/a/ai/v1": "cloudflare",
    "http://localhost:11434/v1": "ollama",
    "http://10.0.0.7:11434/v1": "ollama",
    "http://127.0.0.1:1234/v1": "lm_studio",
    "http://gpu-box:1234/v1": "openai",
    "http://localhost:8000/v1": "openai",
    "https://api.deepseek.com.example.org/v1": "openai",
    "https://lb.us-east-1.elb.amazonaws.com/v1": "openai",
}


def named(url: str, package: str = "openai") -> str:
    """The name of who answers a plain client of `package` at `url`."""
    return load(f"rlhf_otel.instrumentation.providers.{package}").name_of(
        SimpleNamespace(base_url=http_library(package).URL(url))
    )


@pytest.mark.parametrize("url", URLS)
def test_services_are_named_by_their_host(url: str) -> None:
    """A host of the table gives its name, and one that only looks like it does not."""
    assert named(url) == URLS[url]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.anthropic.com", "anthropic"),
        ("https://api.deepseek.com/anthropic", "deepseek"),
        ("https://api.moonshot.ai/anthropic", "moonshot_ai"),
        ("https://api.z.ai/api/anthropic", "z_ai"),
        ("https://openrouter.ai/api", "openrouter"),
        ("http://localhost:8000", "anthropic"),
    ],
)
def test_clients_of_anthropic_are_named_by_the_same_table(url: str, name: str) -> None:
    """Services that speak Anthropic's format are named too; an unknown host counts as anthropic."""
    assert named(url, "anthropic") == name


def test_the_user_names_hosts() -> None:
    """The setting names hosts, ports and patterns, and beats the table; without it nothing is named so any more."""
    names = "LLM.internal=vllm,localhost:4000=litellm,*.corp=own, api.groq.com = mine"
    setup.configure(config.load({"store": ":memory:", "provider_names": names}))
    urls = ("http://llm.internal:8000/v1", "http://localhost:4000", "https://a.b.corp/v1", "https://api.groq.com/v1",
            "http://localhost:4001")  # fmt: skip
    assert [named(url) for url in urls] == ["vllm", "litellm", "own", "mine", "openai"]
    setup.shutdown()
    assert hooks.provider_names == {}
    assert named("https://api.groq.com/v1") == "groq"


@pytest.mark.parametrize("wrong", ["localhost", "=vllm", "localhost="])
def test_half_a_name_is_refused(wrong: str) -> None:
    """A name without a host, or a host without a name, is an error of the setting."""
    with pytest.raises(config.ConfigError, match="it takes host=name,host=name"):
        config.load({"provider_names": wrong})


def test_the_documentation_has_the_table() -> None:
    """Each pattern stands in its row of `providers.md`, and no row has one that is not known."""
    page = Path(rlhf_otel.__file__).parents[1] / "docs" / "providers.md"
    rows = page.read_text(encoding="utf-8").partition("| name | host")[2].partition("\n\n")[0].splitlines()[2:]
    told = {host: name for name, *hosts in (re.findall(r"`([^`]+)`", row) for row in rows) for host in hosts}
    assert told == HOSTS
