"""What backends answer besides yes and no: that some of it is rejected for good, and when to come again."""

from __future__ import annotations

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import FakeCollector

from .conftest import items, until

protocols = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
pytestmark = pytest.mark.usefixtures("quick")


@protocols
def test_a_partial_success_is_no_failure(protocol, monkeypatch, lines):
    """What the backend rejects for good is counted, said, and not sent again."""
    with FakeCollector(grpc=protocol == "grpc") as collector:
        for name, value in collector.environment(protocol).items():
            monkeypatch.setenv(name, value)
        collector.reject(1, "too old", signal="traces")
        collector.reject(0, "soon to be refused", signal="logs")
        rlhf.instrument()
        feedback.record(rlhf.capture(prompt="a", response="b"), True)
        assert rlhf.flush(10)
        assert [len(collector.spans), len(collector.logs)] == [1, 1]
    assert rlhf.stats()["rejected"] == 1
    told = "\n".join(lines())
    assert "rejects 1 of the traces for good: too old" in told and "soon to be refused" in told
    assert items() == 0


@pytest.mark.parametrize(("protocol", "status"), [("http/protobuf", "HTTP 401"), ("grpc", "UNAUTHENTICATED")])
def test_the_line_says_with_which_status_a_backend_refuses(protocol, status, monkeypatch, lines):
    """Whoever has given a wrong key sees that in the one line that there is."""
    with FakeCollector(grpc=protocol == "grpc") as collector:
        for name, value in collector.environment(protocol).items():
            monkeypatch.setenv(name, value)
        collector.fail(401)
        rlhf.instrument()
        rlhf.capture(prompt="a", response="b")
        assert not rlhf.flush(1)
        assert [f"does not take data ({status}); 1 items wait" in line for line in lines()] == [True]
        collector.recover()
        assert rlhf.flush(10)


@protocols
def test_a_backend_says_when_to_come_again(protocol, monkeypatch):
    """Before that time no flush and no retry asks it again."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    with FakeCollector(grpc=protocol == "grpc") as collector:
        for name, value in collector.environment(protocol).items():
            monkeypatch.setenv(name, value)
        collector.fail(503, retry_after=1.5)
        rlhf.instrument(batch_delay_ms=1)
        rlhf.capture(prompt="a", response="b")
        until(lambda: rlhf.stats()["failed_batches"])
        collector.recover()
        assert not rlhf.flush(0.3)
        collector.wait_for(spans=1)
        times = [batch.time for batch in collector.batches if batch.signal == "traces"]
        assert times[-1] - times[-2] >= 1.4
