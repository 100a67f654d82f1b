"""Who answers a client: the conventions' name of a service, by the class of the client and the host that it talks to.

Many services speak the wire format of OpenAI or Anthropic and are called with those clients and another base URL.
Names are the conventions' where they have one (`gen_ai.provider.name`), a plain word otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from rlhf_otel import hooks

HOSTS: Mapping[str, str] = {
    "api.openai.com": "openai",
    "*.api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "*.openai.azure.com": "azure.ai.openai",
    "*.azure-api.net": "azure.ai.openai",
    "*.cognitiveservices.azure.com": "azure.ai.openai",
    "*.services.ai.azure.com/openai*": "azure.ai.openai",
    "*.services.ai.azure.com": "azure.ai.inference",
    "*.models.ai.azure.com": "azure.ai.inference",
    "bedrock-*.amazonaws.com*": "aws.bedrock",
    "bedrock-*.api.aws": "aws.bedrock",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "*aiplatform.googleapis.com": "gcp.vertex_ai",
    "aiplatform.*.rep.googleapis.com": "gcp.vertex_ai",
    "*.ml.cloud.ibm.com": "ibm.watsonx.ai",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "*.api.x.ai": "x_ai",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.deepinfra.com": "deepinfra",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "integrate.api.nvidia.com": "nvidia",
    "router.huggingface.co": "huggingface",
    "*.endpoints.huggingface.cloud": "huggingface",
    "models.github.ai": "github",
    "models.inference.ai.azure.com": "github",
    "api.cloudflare.com": "cloudflare",
    "gateway.ai.cloudflare.com": "cloudflare",
    "ai-gateway.vercel.sh": "vercel",
    "*.cloud.databricks.com": "databricks",
    "*.azuredatabricks.net": "databricks",
    "*.snowflakecomputing.com": "snowflake",
    "dashscope*.aliyuncs.com": "alibaba",
    "api.z.ai": "z_ai",
    "open.bigmodel.cn": "z_ai",
    "api.minimax.io": "minimax",
    "api.siliconflow.*": "siliconflow",
    "api.novita.ai": "novita",
    "*.api.nebius.*": "nebius",
    "api.hyperbolic.xyz": "hyperbolic",
    "inference.baseten.co": "baseten",
    "ollama.com": "ollama",
    "*:11434": "ollama",
    "localhost:1234": "lm_studio",
    "127.0.0.1:1234": "lm_studio",
}
"""Pattern -> name, the first that fits: of the host, of host and port, or of host and path, as file names match.

A port alone names a service only where it is that server's own: vLLM, llama.cpp and the LiteLLM proxy listen on ports
that everything else listens on too, and are named by the setting `provider_names`.
"""

OPENAI_CLIENTS: Mapping[str, str] = {"Azure": "azure.ai.openai", "Bedrock": "aws.bedrock"}
ANTHROPIC_CLIENTS: Mapping[str, str] = {
    "Bedrock": "aws.bedrock", "Vertex": "gcp.vertex_ai", "Foundry": "azure.ai.inference"
}  # fmt: skip
"""Word in the name of the SDK's class -> name; classes that an application derives from those included."""

_RUNTIMES = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}
"""What openai from version 3 on calls the cloud that a client was given as `provider=`."""


def provider_name(client: Any, package: str, classes: Mapping[str, str]) -> str:
    """Who answers `client`, a client of `package`: as the user says, by its class, by its host, or `package` itself."""
    return known_name(client, package, classes) or package


def known_name(client: Any, package: str, classes: Mapping[str, str]) -> str | None:
    """The same; None where nothing says who answers."""
    return (
        _by_host(client.base_url, hooks.provider_names)
        or _by_class(client, package, classes)
        or _RUNTIMES.get(str(getattr(getattr(client, "_provider_runtime", None), "name", None)))
        or _by_host(client.base_url, HOSTS)
    )


def _by_host(url: Any, names: Mapping[str, str]) -> str | None:
    host = url.host.lower()
    forms = (host, f"{host}:{url.port}", host + url.path)
    for pattern, name in names.items():
        if any(fnmatchcase(form, pattern) for form in forms):
            return name
    return None


def _by_class(client: Any, package: str, classes: Mapping[str, str]) -> str | None:
    own = [cls.__name__ for cls in type(client).__mro__ if cls.__module__.partition(".")[0] == package]
    return next((known_as for word, known_as in classes.items() if any(word in name for name in own)), None)
