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


@pytest.mark.parametrize(
    ("package", "version", "is_known"),
    [("openai", "1.0", True), ("openai", "3.9.1", True), ("openai", "0.28", False), ("openai", "4.0", False),
     ("openai", "", False), ("openai", "newest", False), ("openai", "2", True),
     ("groq", "0.3.9", False), ("groq", "0.4", True), ("groq", "0.31.0", True), ("groq", "1.0.0", True)],
)  # fmt: skip
def test_versions_that_are_known(package: str, version: str, is_known: bool) -> None:
    """The majors between the lowest and the highest; of some only from a minor version on."""
    assert libraries.is_supported(package, version, {"openai": (1, 3), "groq": (0, 1)}[package]) is is_known


def test_versions_in_words() -> None:
    """The beginning of a sentence, in singular or plural."""
    assert libraries.supported("boto3", (1, 1)) == "major 1 is"
    assert libraries.supported("openai", (1, 3)) == "majors 1 to 3 are"
    assert libraries.supported("groq", (0, 1)) == "majors 0 to 1, from 0.4 on, are"
