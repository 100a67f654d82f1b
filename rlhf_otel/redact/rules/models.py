"""Keys of those who serve and watch models, as they document them."""

from __future__ import annotations

from typing import Final

from rlhf_otel.redact.rule import ALNUM, ALONE, HEX, URL64, UUID, Rule, prefixed, rule

MODEL_RULES: Final[tuple[Rule, ...]] = (
    prefixed("anthropic-key", "sk-ant-", f"[{URL64}]{{16,}}"),
    prefixed("openrouter-key", "sk-or-v1-", f"[{HEX}]{{32,}}"),
    prefixed("langfuse-key", "sk-lf- pk-lf-", UUID),
    prefixed("helicone-key", "sk-helicone- pk-helicone-", f"[{URL64}]{{16,}}"),
    # Many services hand out keys of the form that OpenAI began with: DeepSeek, Moonshot, DashScope, Stability, LiteLLM.
    rule(
        "openai-key",
        ALONE + rf"sk-(?:(?:proj|svcacct|admin|None)-[{URL64}]{{16,}}|[{ALNUM}]{{20,}}(?:[_-][{URL64}]{{16,}})?)",
        "sk-", hint="sk-(?:proj|svcacct|admin|None|[A-Za-z0-9]{8})",
    ),
    rule("openai-session", ALONE + rf"sess-[{ALNUM}]{{40,}}", "sess-", hint="sess-[A-Za-z0-9]{8}"),
    rule("google-key", ALONE + rf"AIza[{URL64}]{{35}}", "AIza"),
    rule("google-token", ALONE + rf"ya29\.[.{URL64}]{{20,}}", "ya29.", hint="ya29[.][A-Za-z0-9_-]{8}"),
    rule("google-refresh-token", ALONE + rf"1//0[{URL64}]{{30,}}", "1//0", hint="1//0[A-Za-z0-9_-]{8}"),
    prefixed("google-client-secret", "GOCSPX-", f"[{URL64}]{{24,}}"),
    prefixed("huggingface-token", "hf_ api_org_", f"[{ALNUM}]{{30,}}"),
    prefixed("groq-key", "gsk_", f"[{ALNUM}]{{20,}}"),
    prefixed("xai-key", "xai-", f"[{ALNUM}]{{20,}}"),
    prefixed("perplexity-key", "pplx-", f"[{ALNUM}]{{32,}}"),
    prefixed("nvidia-key", "nvapi-", f"[{URL64}]{{40,}}"),
    prefixed("replicate-token", "r8_", f"[{ALNUM}]{{37,}}"),
    prefixed("fireworks-key", "fw_", f"[{ALNUM}]{{20,}}"),
    prefixed("together-key", "tgp_v1_", f"[{URL64}]{{40,}}"),
    prefixed("cerebras-key", "csk-", f"[{ALNUM}]{{40,}}"),
    prefixed("voyage-key", "pa-", f"[{URL64}]{{43,}}"),
    prefixed("elevenlabs-key", "sk_", f"[{HEX}]{{48}}(?![{ALNUM}])"),
    prefixed("anyscale-key", "esecret_", f"[{ALNUM}]{{20,}}"),
    prefixed("jina-key", "jina_", f"[{URL64}]{{40,}}"),
    prefixed("tavily-key", "tvly-", f"[{URL64}]{{24,}}"),
    prefixed("firecrawl-key", "fc-", f"[{HEX}]{{32}}(?![{ALNUM}])"),
    prefixed("e2b-key", "e2b_", f"[{HEX}]{{40}}(?![{ALNUM}])"),
    prefixed("llamacloud-key", "llx-", f"[{ALNUM}]{{40,}}"),
    prefixed("pinecone-key", "pcsk_", f"[{ALNUM}_]{{40,}}"),
    prefixed("langsmith-key", "lsv2_pt_ lsv2_sk_ ls__", f"[{HEX}]{{32}}(?:_[{HEX}]{{10}})?(?![{ALNUM}])"),
    rule("logfire-token", ALONE + rf"pylf_v\d+_[a-z]{{2,8}}_[{ALNUM}]{{40,}}", "pylf_v"),
    prefixed("posthog-key", "phx_", f"[{ALNUM}]{{40,}}"),
    # Our own: what lets in to a server, and what lets a visitor rate one answer.
    prefixed("rlhf-otel-token", "rls_ rlt_", f"[{URL64}]{{43,}}"),
)  # fmt: skip
