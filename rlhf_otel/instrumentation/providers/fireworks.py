"""fireworks-ai 1, which also speaks the wire format of Anthropic."""

from rlhf_otel.instrumentation.providers.compatible import Compatible

provider = Compatible("fireworks", (1, 1))
