"""together 2 and 3. Earlier versions are not made by the same generator."""

from rlhf_otel.instrumentation.providers.compatible import Compatible

provider = Compatible("together", (2, 3))
