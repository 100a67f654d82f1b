"""cerebras-cloud-sdk 1."""

from rlhf_otel.instrumentation.providers.compatible import Compatible

provider = Compatible("cerebras.cloud.sdk", (1, 1), name="cerebras")
