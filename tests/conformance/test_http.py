"""What the OTLP specification asks of a receiver over HTTP, and what a server on a network must bear."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.endpoint import Endpoint, HttpJson, HttpProtobuf, Target
from tests.conformance.messages import SIGNALS, Signal, full, span, traces


@pytest.fixture
def protobuf(target: Target) -> HttpProtobuf:
    """OTLP/HTTP with protobuf."""
    return HttpProtobuf(target)


@pytest.fixture
def in_json(target: Target) -> HttpJson:
    """OTLP/HTTP with JSON."""
    return HttpJson(target)


class Wire:
    """A connection on which a test writes what it likes.

    Args:
        target: whom to.
    """

    def __init__(self, target: Target) -> None:
        host, _, port = target.http.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        self._answers = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Writes."""
        self._socket.sendall(data)

    def statuses(self, count: int) -> list[int]:
        """The statuses of the next answers, fewer where the server hangs up."""
        found: list[int] = []
        while len(found) < count and (line := self._answers.readline()):
            found.append(int(line.split()[1]))
            length = 0
            while (header := self._answers.readline().strip()) != b"":
                name, _, value = header.lower().partition(b":")
                length = int(value) if name == b"content-length" else length
            self._answers.read(length)
        return found

    def close(self) -> None:
        """Hangs up."""
        self._answers.close()
        self._socket.close()


@pytest.fixture
def wire(target: Target) -> Iterator[Wire]:
    """A connection."""
    made = Wire(target)
    yield made
    made.close()


def head(signal: Signal, *headers: str) -> bytes:
    """The head of a request."""
    lines = [f"POST /v1/{signal} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/x-protobuf", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(request: bytes) -> bytes:
    """A request of traces."""
    return head("traces", f"Content-Length: {len(request)}") + request


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_answer_has_the_content_type_of_the_request(over_http, signal: Signal) -> None:
    """Both types come to one port, and each gets its own back, for a success and for a refusal."""
    good = over_http.export(signal, full(signal))
    bad = over_http.send(signal, b"\xff\xfe")
    assert [good.headers["content-type"], bad.headers["content-type"]] == [over_http.content_type] * 2


def test_a_content_type_may_have_parameters(in_json: HttpJson) -> None:
    """Some clients name the character set."""
    body = in_json.encode(traces(span()))
    assert in_json.request("POST", "/v1/traces", body, {"content-type": "application/json; charset=utf-8"}).ok


def test_a_refusal_has_a_status_of_google_rpc(over_http) -> None:
    """With its code, so that a client need not guess from HTTP's."""
    status = over_http.send("traces", b"\xff\xfe").status
    assert status is not None
    assert (status.code, bool(status.message)) == (3, True)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_other_content_types_are_refused(protobuf: HttpProtobuf, kind: str) -> None:
    """415: neither protobuf nor JSON."""
    assert protobuf.request("POST", "/v1/traces", b"", {"content-type": kind} if kind else {}).code == "415"


def test_unknown_compressions_are_refused(over_http) -> None:
    """415 or 400: the body cannot be read."""
    headers = {"content-type": over_http.content_type, "content-encoding": "br"}
    assert over_http.request("POST", "/v1/traces", b"...", headers).code in ("415", "400")


@pytest.mark.parametrize("compression", ["gzip", "deflate", "zstd"])
def test_a_body_that_is_not_compressed_as_it_says_is_refused(over_http, compression: str) -> None:
    """400, whether it is something else or ends too early."""
    from tests.conformance.endpoint import COMPRESS

    headers = {"content-type": over_http.content_type, "content-encoding": compression}
    packed = COMPRESS[compression](over_http.encode(traces(span())))
    for body in (b"no such thing", packed[: len(packed) // 2]):
        assert over_http.request("POST", "/v1/traces", body, headers).code == "400"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(protobuf: HttpProtobuf, method: str) -> None:
    """405: OTLP is sent with POST."""
    assert protobuf.request(method, "/v1/traces", b"", {"content-type": "application/x-protobuf"}).code == "405"


def test_other_paths_are_refused(over_http) -> None:
    """404."""
    assert over_http.request("POST", "/v1/trace", b"", {"content-type": over_http.content_type}).code == "404"


@pytest.mark.parametrize("case", [str.lower, str.upper], ids=["lower", "upper"])
def test_ids_in_json_are_hexadecimal_in_any_case(in_json: HttpJson, case) -> None:
    """Not base64, as protobuf's own JSON has bytes."""
    sent = span(span_id=b"\xab\xcd\xef\x01\x02\x03\x04" + (b"\x01" if case is str.lower else b"\x02"))
    body = in_json.encode(traces(sent)).replace(sent.span_id.hex().encode(), case(sent.span_id.hex()).encode())
    reply = in_json.send("traces", body)
    assert (reply.ok, reply.rejected) == (True, 0)
    if in_json.target.stored is not None:
        assert in_json.target.stored({sent.span_id.hex()}) == [sent.span_id.hex()]


@pytest.mark.parametrize("form", [str, int], ids=["text", "number"])
def test_long_integers_in_json_may_be_texts_or_numbers(in_json: HttpJson, form) -> None:
    """64 bits do not fit into the numbers of JavaScript, so emitters write texts, but not all of them do."""
    sent = span()
    message = json.loads(in_json.encode(traces(sent)))
    inside = message["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name in ("startTimeUnixNano", "endTimeUnixNano"):
        inside[name] = form(inside[name])
    inside["attributes"].append({"key": "n", "value": {"intValue": form(2**53 + 1)}})
    reply = in_json.send("traces", json.dumps(message).encode())
    assert (reply.ok, reply.rejected) == (True, 0)


def test_bytes_in_json_are_base64(in_json: HttpJson) -> None:
    """Only ids are hexadecimal."""
    sent = span()
    sent.attributes.add(key="raw").value.bytes_value = b"\x00\xff\x10"
    assert in_json.export("traces", traces(sent)).ok


def test_a_chunked_body_is_taken(wire: Wire, protobuf: HttpProtobuf) -> None:
    """Its length is known only at its end."""
    body = protobuf.encode(traces(span(), span()))
    pieces = [body[at : at + 40] for at in range(0, len(body), 40)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    wire.send(head("traces", "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert wire.statuses(1) == [200]


def test_a_chunked_body_over_the_limit_is_refused(wire: Wire, target: Target) -> None:
    """Nothing says beforehand that it will be."""
    wire.send(head("traces", "Transfer-Encoding: chunked"))
    piece = b"%x\r\n%s\r\n" % (65536, bytes(65536))
    for _ in range(target.max_bytes // 65536 + 2):
        wire.send(piece)
    wire.send(b"0\r\n\r\n")
    assert wire.statuses(1) == [413]


def test_a_connection_serves_many_requests(wire: Wire, protobuf: HttpProtobuf) -> None:
    """One after the other."""
    for _ in range(5):
        wire.send(whole(protobuf.encode(traces(span()))))
        assert wire.statuses(1) == [200]


def test_a_connection_survives_a_refusal(wire: Wire, protobuf: HttpProtobuf) -> None:
    """The next request on it is taken."""
    wire.send(whole(b"\xff\xfe") + whole(protobuf.encode(traces(span()))))
    assert wire.statuses(2) == [400, 200]


def test_requests_may_be_pipelined(wire: Wire, protobuf: HttpProtobuf) -> None:
    """Sent without waiting for answers, they are answered in their order."""
    wire.send(b"".join(whole(protobuf.encode(traces(span()))) for _ in range(20)))
    assert wire.statuses(20) == [200] * 20


def test_a_client_that_hangs_up_in_its_body_stores_nothing(wire: Wire, protobuf: HttpProtobuf) -> None:
    """Half a request may look like a whole one."""
    first, second = span(), span()
    start = protobuf.encode(traces(first))
    body = start + protobuf.encode(traces(second))
    wire.send(head("traces", f"Content-Length: {len(body)}") + start)
    wire.close()
    assert protobuf.export("traces", traces(second)).ok
    if protobuf.target.stored is not None:
        assert protobuf.target.stored({first.span_id.hex()}) == []


def test_a_client_that_asks_first_is_told_to_go_on(wire: Wire, protobuf: HttpProtobuf) -> None:
    """`Expect: 100-continue`, as curl sends it before a large body."""
    body = protobuf.encode(traces(span()))
    wire.send(head("traces", f"Content-Length: {len(body)}", "Expect: 100-continue"))
    assert wire.statuses(1) == [100]
    wire.send(body)
    assert wire.statuses(1) == [200]


def test_what_is_no_http_is_refused(wire: Wire) -> None:
    """And the connection is closed."""
    wire.send(b"\x16\x03\x01\x02\x00 this is TLS, or worse\r\n\r\n")
    assert wire.statuses(1) == [400]


def test_both_forms_are_the_same_endpoint(protobuf: Endpoint, in_json: Endpoint) -> None:
    """A span that came as JSON and again as protobuf is one span."""
    sent = span()
    assert in_json.export("traces", traces(sent)).ok
    assert protobuf.export("traces", traces(sent)).ok
    if protobuf.target.stored is not None:
        assert protobuf.target.stored({sent.span_id.hex()}) == [sent.span_id.hex()]
