"""aiobotocore 2 and 3, and so aioboto3: Amazon Bedrock's runtime, asynchronously."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rlhf_otel.instrumentation.providers.bedrock import Bedrock, raw


class AioBedrock(Bedrock):
    """The provider."""

    package = "aiobotocore"
    versions = (2, 3)
    methods = (
        dataclasses.replace(
            Bedrock.methods[0],
            target="aiobotocore.client:AioBaseClient._make_api_call",
            body=lambda result: raw(result, f"{_held(result)}.content"),
        ),
    )


def _held(result: Mapping[str, Any]) -> str:
    """The attribute by which a body has its response: the body of older versions stands for the response itself."""
    return "_raw_stream" if hasattr(result.get("body"), "_raw_stream") else "__wrapped__"


provider = AioBedrock()
