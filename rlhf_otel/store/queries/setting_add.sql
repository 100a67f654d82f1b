INSERT INTO setting (
    hash, name, operation, provider, request_model, response_model, variant, consent, status, error_type, stream_end,
    stream, usage_estimated, service, resource
) VALUES (
    :hash, :name, :operation, :provider, :request_model, :response_model, :variant, :consent, :status, :error_type,
    :stream_end, :stream, :usage_estimated, :service, :resource
)
