"""The suite that our own receiver passes, asked of the OpenTelemetry Collector: what the two differ in is listed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.collector.running import CONFIG, ROOT

MAX_BYTES = 1 << 20
"""A small limit, so that what is over it is quickly sent."""


@pytest.mark.real_collector
@pytest.mark.timeout(300)
def test_the_collector_answers_as_the_suite_says_but_for_what_is_listed(make_collector, tmp_path):
    """`tests/conformance/deviations.py` has each difference; one that is gone fails too."""
    text = CONFIG.read_text(encoding="utf-8").replace("auth: {authenticator: bearertokenauth}", "")
    text = text.replace("max_recv_msg_size_mib: 64", "max_recv_msg_size_mib: 1")
    config = tmp_path / "open.yaml"
    config.write_text(text.replace("max_request_body_size: 67108864", f"max_request_body_size: {MAX_BYTES}"))
    collector = make_collector(config=config, COLLECTOR_EXPORTERS="[file/archive]").start()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/conformance"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
            "RLHF_OTEL_CONFORMANCE_HTTP": collector.url,
            "RLHF_OTEL_CONFORMANCE_GRPC": collector.grpc_url.removeprefix("http://"),
            "RLHF_OTEL_CONFORMANCE_MAX_BYTES": str(MAX_BYTES),
            "RLHF_OTEL_CONFORMANCE_DEVIATIONS": "collector",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
