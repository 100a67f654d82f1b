"""The variables that `opentelemetry-instrument` shall offer as flags (entry-point group of the same name).

The official launcher reads names that start with `OTEL_` only, so of ours it can offer none of `RLHF_OTEL_*`;
`rlhf-otel-instrument` offers them all.
"""

OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
