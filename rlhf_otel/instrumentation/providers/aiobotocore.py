"""aiobotocore 2 and 3, and so aioboto3: Amazon Bedrock's runtime, asynchronously."""

from __future__ import annotations

import dataclasses

from rlhf_otel.instrumentation.providers.bedrock import Bedrock, raw


class AioBedrock(Bedrock):
    """The provider."""

    package = "aiobotocore"
    versions = (2, 3)
    methods = (
        dataclasses.replace(
            Bedrock.methods[0],
            target="aiobotocore.client:AioBaseClient._make_api_call",
            body=lambda result: raw(result, "_raw_stream.content"),
        ),
    )


provider = AioBedrock()
