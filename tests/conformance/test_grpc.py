"""What the OTLP specification asks of a receiver over gRPC."""

from __future__ import annotations

import grpc
import pytest

from tests.conformance.endpoint import SERVICES, Grpc, Target
from tests.conformance.messages import SIGNALS, full, span, traces


@pytest.fixture
def client(target: Target) -> Grpc:
    """OTLP/gRPC."""
    return Grpc(target)


def test_bad_data_is_an_invalid_argument(client: Grpc) -> None:
    """Which no client sends again."""
    reply = client.send("traces", b"\xff\xfe")
    assert (reply.code, reply.may_retry) == ("INVALID_ARGUMENT", False)


def test_a_message_over_the_limit_is_not_to_be_sent_again(client: Grpc) -> None:
    """RESOURCE_EXHAUSTED without when to come again."""
    reply = client.export("traces", traces(span(text="x" * (client.target.max_bytes + 1))))
    assert (reply.code, reply.retry_after_s, reply.may_retry) == ("RESOURCE_EXHAUSTED", None, False)


def test_other_methods_are_unimplemented(target: Target) -> None:
    """A service that we do not have, and a method that the service does not have."""
    with grpc.insecure_channel(target.grpc) as channel:
        for path in ("/some.other.Service/Export", f"/{SERVICES['traces']}/Import"):
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(path)(b"", timeout=10)
            assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_one_connection_serves_all_signals_at_once(target: Target, client: Grpc) -> None:
    """Calls on it do not wait for each other."""
    with grpc.insecure_channel(target.grpc) as channel:
        calls = [
            channel.unary_unary(f"/{SERVICES[signal]}/Export").future(client.encode(full(signal)), timeout=20)
            for signal in SIGNALS * 10
        ]
        assert [call.result() for call in calls] == [b""] * 30
