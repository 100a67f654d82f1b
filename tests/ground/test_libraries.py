"""The table of client libraries, and the names under which people know them."""

from __future__ import annotations

import pytest

from rlhf_otel import libraries


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("openai", "openai"),
        ("cerebras.cloud.sdk", "cerebras.cloud.sdk"),
        ("cerebras-cloud-sdk", "cerebras.cloud.sdk"),
        ("cerebras_cloud_sdk", "cerebras.cloud.sdk"),
        ("fireworks-ai", "fireworks"),
        ("fireworks", "fireworks"),
        ("open_ai", None),
        ("cloud", None),
    ],
)
def test_a_library_is_known_by_several_names(name: str, package: str | None) -> None:
    """As it is imported, as it is installed, and in the one spelling of entry points; by no part of those."""
    assert libraries.named(name, libraries.BUILT_IN) == package


def test_only_names_that_were_asked_for_are_found() -> None:
    """A library that is left out by the settings is found by none of its names."""
    assert libraries.named("fireworks-ai", ["openai"]) is None


def test_an_instrumentation_of_more_than_one_service() -> None:
    """botocore's own instrumentation is for all of AWS, and is not taken for one of Bedrock; Bedrock's are."""
    assert libraries.named("botocore", libraries.BUILT_IN) is None
    assert libraries.named("bedrock", libraries.BUILT_IN) == "bedrock"
    assert libraries.hook("bedrock") == "botocore.client"
