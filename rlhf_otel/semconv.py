"""Every attribute, event and metric name that rlhf-otel writes or reads.

The `gen_ai.*`, `server.*`, `http.*`, `error.*`, `enduser.*` and `session.*` names are those of the OpenTelemetry
semantic conventions (GenAI part, schema 1.42). What the conventions have no word for is ours and starts with `rlhf.`.
No other module spells a name out, but for those in `store/dialects`, where each has the words of one other emitter.
"""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
SCOPE: Final = "rlhf_otel"
PROBE_SCOPE: Final = "rlhf_otel.doctor"
"""Of what `rlhf-otel doctor` sends to see whether it is taken: neither a call nor feedback."""

# --- Operations ---------------------------------------------------------------------------------------------------
# The conventions' words where they have one, and their spelling where they have none.
FETCH_RESPONSE: Final = "fetch_response"
COMPACTION: Final = "compaction"
CANCEL_RESPONSE: Final = "cancel_response"
COUNT_TOKENS: Final = "count_tokens"
IMAGE_GENERATION: Final = "image_generation"
VIDEO_GENERATION: Final = "video_generation"
SPEECH: Final = "speech"
TRANSCRIPTION: Final = "transcription"
TRANSLATION: Final = "translation"
MODERATION: Final = "moderation"
DECISION: Final = "decision"
INVOKE_AGENT: Final = "invoke_agent"
RERANK: Final = "rerank"
CREATE_BATCH: Final = "create_batch"
FETCH_BATCH: Final = "fetch_batch"
CANCEL_BATCH: Final = "cancel_batch"
FETCH_BATCH_RESULTS: Final = "fetch_batch_results"

MODEL_OPERATIONS: Final = frozenset({
    "chat", "text_completion", "generate_content", "embeddings", COMPACTION,
    IMAGE_GENERATION, VIDEO_GENERATION, SPEECH, TRANSCRIPTION, TRANSLATION, MODERATION, DECISION,
})  # fmt: skip
"""What a model has answered: such a span is a call that people can look at and rate."""

ANSWERLESS_OPERATIONS: Final = frozenset({
    CANCEL_RESPONSE, COUNT_TOKENS, CREATE_BATCH, FETCH_BATCH, CANCEL_BATCH, FETCH_BATCH_RESULTS,
})  # fmt: skip
"""What is asked of the provider and not of a model: a span, and nothing to look at or rate."""

# --- The call -----------------------------------------------------------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
CONVERSATION_COMPACTED: Final = "gen_ai.conversation.compacted"
OUTPUT_TYPE: Final = "gen_ai.output.type"
AGENT_ID: Final = "gen_ai.agent.id"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_TEXT_INPUT_TOKENS: Final = "gen_ai.usage.text.input_tokens"
USAGE_TEXT_OUTPUT_TOKENS: Final = "gen_ai.usage.text.output_tokens"
USAGE_IMAGE_INPUT_TOKENS: Final = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.image.output_tokens"
USAGE_AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
OPENAI_API_TYPE: Final = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
ANTHROPIC_REQUEST_SERVICE_TIER: Final = "anthropic.request.service_tier"
ANTHROPIC_RESPONSE_SERVICE_TIER: Final = "anthropic.response.service_tier"
ANTHROPIC_CACHE_CREATION: Final = "anthropic.usage.cache_creation."
ANTHROPIC_SERVER_TOOL_USE: Final = "anthropic.usage.server_tool_use."
ANTHROPIC_COMPACTION_INPUT_TOKENS: Final = "anthropic.usage.compaction.input_tokens"
ANTHROPIC_COMPACTION_OUTPUT_TOKENS: Final = "anthropic.usage.compaction.output_tokens"
AWS_REQUEST_ID: Final = "aws.request_id"
AWS_BEDROCK_GUARDRAIL_ID: Final = "aws.bedrock.guardrail.id"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_RESPONSE_HEADER: Final = "http.response.header."
PROCESSING_TIME_HEADERS: Final = (
    "http.response.header.openai-processing-ms",
    "http.response.header.x-envoy-upstream-service-time",
)
"""Where providers tell how many milliseconds they took, the most exact first."""
SESSION_ID: Final = "session.id"
ENDUSER_ID: Final = "enduser.id"
ENDUSER_PSEUDO_ID: Final = "enduser.pseudo.id"
FEATURE_FLAG_VARIANT: Final = "feature_flag.result.variant"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
DEPLOYMENT_ENVIRONMENT: Final = "deployment.environment.name"

# --- What the conventions have no name for ------------------------------------------------------------------------
TIME_TO_FIRST_TOKEN: Final = "rlhf.response.time_to_first_token"
TIME_TO_FIRST_REASONING: Final = "rlhf.response.time_to_first_reasoning"
TIME_TO_HEADERS: Final = "rlhf.response.time_to_headers"
NETWORK_TIME: Final = "rlhf.response.network_time"
OUTPUT_TOKENS_PER_SECOND: Final = "rlhf.response.output_tokens_per_second"
STREAM_END: Final = "rlhf.stream.end"
STREAM_CHUNKS: Final = "rlhf.stream.chunks"
STREAM_MAX_GAP: Final = "rlhf.stream.max_gap"
STREAM_DURATION: Final = "rlhf.stream.duration"
CACHE_HIT_RATIO: Final = "rlhf.usage.cache_hit_ratio"
USAGE_COST: Final = "rlhf.usage.cost"
USAGE_ESTIMATED: Final = "rlhf.usage.estimated"
BATCH_ID: Final = "rlhf.batch.id"
BATCH_CUSTOM_ID: Final = "rlhf.batch.custom_id"
BATCH_STATUS: Final = "rlhf.batch.status"
BATCH_SIZE: Final = "rlhf.batch.size"
MESSAGE_ID: Final = "rlhf.message.id"
VARIANT: Final = "rlhf.variant"
CONSENT: Final = "rlhf.consent"
CONSENT_EVENT: Final = "rlhf.consent"
CONTEXT: Final = "rlhf.context."
STEPS: Final = "rlhf.steps"
REVIEW_EDITED: Final = "rlhf.review.edited"
SAMPLED_RATE: Final = "rlhf.sampled.rate"
SAMPLED_REASON: Final = "rlhf.sampled.reason"
SAMPLED_HOLD: Final = "rlhf.sampled.hold"

# --- What a receiver adds -----------------------------------------------------------------------------------------
# Of spans of other emitters, so that nothing is lost that has no place in an interaction.
SCOPE_NAME: Final = "otel.scope.name"
SPAN_EVENTS: Final = "rlhf.span.events"
SPAN_LINKS: Final = "rlhf.span.links"
UNREAD: Final = "rlhf.unread."
ANNOTATION: Final = "annotations.0.annotation."
OPENINFERENCE_KIND: Final = "openinference.span.kind"
IMPORT_SOURCE: Final = "rlhf.import.source"

# --- Content in events --------------------------------------------------------------------------------------------
DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"

# --- Feedback -----------------------------------------------------------------------------------------------------
EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"
FEEDBACK_ID: Final = "rlhf.feedback.id"
FEEDBACK_KIND: Final = "rlhf.feedback.kind"
FEEDBACK_SOURCE: Final = "rlhf.feedback.source"
FEEDBACK_ANNOTATOR_KIND: Final = "rlhf.feedback.annotator_kind"
FEEDBACK_SCORE_MIN: Final = "rlhf.feedback.score.min"
FEEDBACK_SCORE_MAX: Final = "rlhf.feedback.score.max"
FEEDBACK_VALUE: Final = "rlhf.feedback.value"
FEEDBACK_CORRECTION: Final = "rlhf.feedback.correction"
FEEDBACK_SIGNAL: Final = "rlhf.feedback.signal"
FEEDBACK_TURN: Final = "rlhf.feedback.turn"
FEEDBACK_STEP: Final = "rlhf.feedback.step"
FEEDBACK_RANGE: Final = "rlhf.feedback.range"
FEEDBACK_QUOTE: Final = "rlhf.feedback.quote"
FEEDBACK_METADATA: Final = "rlhf.feedback.metadata."
FOUNDRY_EVENT_NAME: Final = "microsoft.custom_event.name"
FOUNDRY_PROPERTIES: Final = "internal_properties"
FOUNDRY_SOURCE: Final = "microsoft.gen_ai.human_evaluation.source"
FOUNDRY_EVALUATION_ID: Final = "microsoft.gen_ai.human_evaluation.id"
FOUNDRY_ACTOR: Final = "microsoft.gen_ai.evaluation.actor.type"
FOUNDRY_TAGS: Final = "microsoft.gen_ai.evaluation.tags."
FEEDBACK_CHOSEN: Final = "rlhf.feedback.chosen"
FEEDBACK_REJECTED: Final = "rlhf.feedback.rejected"
FEEDBACK_MARGIN: Final = "rlhf.feedback.margin"
FEEDBACK_POSITION: Final = "rlhf.feedback.position"
FEEDBACK_RANKING: Final = "rlhf.feedback.ranking"
FEEDBACK_RETRACTS: Final = "rlhf.feedback.retracts"
FEEDBACK_TARGET_START: Final = "rlhf.feedback.target_start"

# --- Metrics ------------------------------------------------------------------------------------------------------
METRIC_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
METRIC_TIME_PER_OUTPUT_CHUNK: Final = "gen_ai.client.operation.time_per_output_chunk"
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"
METRIC_FEEDBACK_COUNT: Final = "rlhf.feedback.count"
METRIC_EXPORT_DROPPED: Final = "rlhf.export.dropped"
METRIC_FEEDBACK_SCORE: Final = "rlhf.feedback.score"
TOKEN_TYPE: Final = "gen_ai.token.type"

# The next names (semantic-conventions-genai, pull request 521), chosen by `RLHF_OTEL_METRIC_NAMES=next`.
NEXT_METRIC_NAMES: Final = {
    METRIC_DURATION: "gen_ai.client.inference.duration",
    METRIC_TIME_TO_FIRST_CHUNK: "gen_ai.client.inference.time_to_first_chunk",
    METRIC_TIME_PER_OUTPUT_CHUNK: "gen_ai.client.inference.time_per_output_chunk",
}

DURATION_BUCKETS: Final = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip
TOKEN_BUCKETS: Final = tuple(float(4**n) for n in range(14))
