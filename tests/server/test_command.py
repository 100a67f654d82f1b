"""`rlhf-otel serve` as somebody types it: what it says, where it listens, and how it ends."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlhf_otel.cli import serve
from rlhf_otel.cli.main import cli
from rlhf_otel.store import Store
from rlhf_otel.store.inbox import Inbox
from tests.conformance.endpoint import Grpc
from tests.conformance.messages import logs, metrics, span, traces
from tests.server.conftest import endpoint_of
from tests.server.process import QUIET, Serve


def said(*words: str) -> Result:
    """What the command says that cannot be done."""
    return CliRunner().invoke(cli, ["serve", *words])


def started(*words: str) -> tuple[subprocess.Popen[str], list[str]]:
    """The command with what it prints for people."""
    line = [sys.executable, "-m", "rlhf_otel.cli.main", "serve", *words]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=QUIET)
    assert process.stderr is not None
    return process, [process.stderr.readline() for _ in range(5)]


def get(server: Serve, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and body of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    found = response.status, json.loads(response.read())
    connection.close()
    return found


def test_it_says_where_it_listens_and_what_to_do_next(path: Path) -> None:
    """The lines have the endpoints, the store, and commands that work; stdout stays empty."""
    process, lines = started("--port", "0", "--grpc-port", "0", "--store", str(path))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    url = lines[0].split()[6]
    assert lines[0].startswith(f"rlhf-otel serve: OTLP over HTTP at {url} and gRPC at http://127.0.0.1:")
    assert lines[0].endswith(f", into {path}\n")
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={url} rlhf-otel-instrument python app.py" in lines[1]
    assert f"rlhf-otel traces --store {path}" in lines[2]
    assert re.search(rf"browse: +{re.escape(url)}/login\?code=[\w-]{{43}}$", lines[3])
    assert (out, process.returncode) == ("", 0)


def test_it_listens_where_otlp_is_expected() -> None:
    """The ports of the specification, on this machine alone."""
    defaults = {option.name: option.default for option in serve.command.params}
    assert [defaults[name] for name in ("host", "port", "grpc_port")] == ["127.0.0.1", 4318, 4317]


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_that_is_taken_is_named(path: Path, option: str) -> None:
    """With the option that chooses another."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = str(holder.getsockname()[1])
        ports = {"--port": "0", "--grpc-port": "0", option: taken}
        with pytest.raises(RuntimeError) as raised:
            Serve(path, [word for pair in ports.items() for word in pair])
    assert f"cannot listen at 127.0.0.1:{taken}" in str(raised.value)
    assert f"choose another with {option}" in str(raised.value)


def test_grpc_can_be_left_out(path: Path) -> None:
    """Then HTTP alone is served."""
    with Serve(path, ["--no-grpc"]) as server:
        assert server.grpc == ""
        assert endpoint_of(server).export("traces", traces(span())).ok


def test_the_doctor_leaves_no_call_and_no_feedback(path: Path) -> None:
    """What it sends is taken, and is nothing that anybody would have to tell from what was recorded."""
    with Serve(path) as server:
        assert CliRunner().invoke(cli, ["doctor", "--endpoint", server.url]).exit_code == 0
    with Store.open(path, read_only=True) as opened:
        counts, logged = opened.counts(), list(opened.logs())
    assert (counts["interactions"], counts["feedback"], counts["pending"]) == (0, 0, 0)
    assert (counts["spans"], len(logged)) == (1, 1)


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages of `[server]` the command says how to get them."""
    monkeypatch.setattr(serve, "NEEDED", (*serve.NEEDED, "no_such_package"))
    result = said()
    assert (result.exit_code, "pip install 'rlhf-otel[server]'" in result.output) == (1, True)


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """And nothing is listened at."""
    (tmp_path / "calls.db").write_text("no database at all" * 100)
    result = said("--store", str(tmp_path / "calls.db"), "--port", "0", "--grpc-port", "0")
    assert (result.exit_code, "no SQLite database" in result.output) == (1, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_others_are_let_in_only_with_a_token(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To listen beyond this machine needs a token, or a word that says one knows."""
    monkeypatch.delenv("RLHF_OTEL_SERVER_TOKEN", raising=False)
    result = said("--host", host, "--store", str(tmp_path / "store.db"))
    assert (result.exit_code, "RLHF_OTEL_SERVER_TOKEN" in result.output) == (2, True)


def test_a_token_that_can_be_guessed_is_refused_beyond_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not printed."""
    monkeypatch.setenv("RLHF_OTEL_SERVER_TOKEN", "hunter2")
    result = said("--host", "0.0.0.0")
    assert (result.exit_code, "fewer than 16 characters" in result.output, "hunter2" in result.output) == (
        2,
        True,
        False,
    )


@pytest.mark.parametrize("token", ["two words", "tüken", "line\nbreak"])
def test_a_token_that_no_header_can_carry_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No client could ever send it; it is not printed."""
    monkeypatch.setenv("RLHF_OTEL_SERVER_TOKEN", token)
    result = said()
    assert (result.exit_code, "a header cannot carry" in result.output, token in result.output) == (2, True, False)


@pytest.mark.parametrize("environ", [{}, {"RLHF_OTEL_SERVER_TOKEN": "0123456789abcdef"}], ids=["insecure", "token"])
def test_it_can_listen_beyond_this_machine(path: Path, environ: dict[str, str]) -> None:
    """And is reached by its address."""
    with Serve(path, ["--host", "0.0.0.0", *([] if environ else ["--insecure"])], environ) as server:
        assert get(server, "/healthz") == (200, {"status": "ok", "inbox_bytes": 0})


def test_named_tokens_are_enough_beyond_this_machine(path: Path) -> None:
    """With any of them nobody writes who has shown none."""
    made = CliRunner().invoke(cli, ["token", "create", "--role", "reader", "--store", str(path)])
    assert made.exit_code == 0
    with Serve(path, ["--host", "0.0.0.0"]) as server:
        assert not endpoint_of(server).export("traces", traces(span())).ok


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_no_failure_and_loses_nothing(path: Path, how: int) -> None:
    """What was accepted is there; the exit code is 0; nothing is said."""
    sent = [span() for _ in range(3)]
    with Serve(path) as server:
        assert endpoint_of(server).export("traces", traces(*sent)).ok
        assert server.stop(how) == (0, "")
        assert {each.span_id for each in server.interactions()} == {each.span_id.hex() for each in sent}


def test_requests_under_way_at_a_stop_are_finished_and_later_ones_are_to_come_again(path: Path) -> None:
    """The one that waits for a lock gets its answer once it is written; one that comes meanwhile gets 503."""
    import sqlite3
    import time

    with Serve(path) as server:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        replies: list[bool] = []
        first = threading.Thread(target=lambda: replies.append(endpoint_of(server).export("traces", traces(span())).ok))
        first.start()
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        late = [endpoint_of(server, name).export("traces", traces(span())) for name in ("http-json", "grpc")]
        health = get(server, "/healthz")
        holder.execute("COMMIT")
        holder.close()
        first.join()
        assert server.ended()[0] == 0
        assert (replies, len(server.interactions())) == ([True], 1)
        assert [(reply.may_retry, reply.retry_after_s) for reply in late] == [(True, 1.0)] * 2
        assert health == (503, {"status": "stopping"})


def test_health_is_told(server: Serve) -> None:
    """200 while requests are taken."""
    assert get(server, "/healthz") == (200, {"status": "ok", "inbox_bytes": 0})


def test_all_three_signals_are_taken_on_both_ports(server: Serve, way: str) -> None:
    """By every way to speak OTLP."""
    endpoint = endpoint_of(server, way)
    for signal_name, request in (("traces", traces(span())), ("logs", logs()), ("metrics", metrics())):
        assert endpoint.export(signal_name, request).ok
    assert (len(server.interactions()), len(server.pending())) == (1, 1)


def test_commands_show_what_has_only_just_been_confirmed(path: Path) -> None:
    """A rush is first written down as it came; whoever looks has it taken apart."""
    with Store.open(path) as store:
        Inbox(store).put([("traces", traces(span(), span()).SerializeToString())])
    result = CliRunner().invoke(cli, ["traces", "--json", "--store", str(path)])
    assert (result.exit_code, len(json.loads(result.stdout))) == (0, 2)


def test_nothing_of_a_body_is_logged(path: Path) -> None:
    """Not where it cannot be decoded, and not at the most talkative level."""
    with Serve(path, environ={"RLHF_OTEL_LOG_LEVEL": "debug"}) as server:
        endpoint = endpoint_of(server)
        assert endpoint.export("traces", traces(span(text="canary-7141"))).ok
        assert not endpoint.send("traces", b"\xff canary-7141").ok
        assert not endpoint_of(server, "http-json").send("traces", b'{"resourceSpans": "canary-7141"}').ok
        assert not endpoint_of(server, "grpc").send("traces", b"\xff canary-7141").ok
        assert "canary-7141" not in server.stop()[1]


def test_the_token_is_asked_for(path: Path, way: str) -> None:
    """Without it, or with another, nothing is taken, for good; with it all is; the health needs none."""
    with Serve(path, environ={"RLHF_OTEL_SERVER_TOKEN": "right"}) as server:
        endpoint = endpoint_of(server, way)
        for authorization in ("", "Bearer wrong", "right", "Basic right", "Bearer rightt"):
            code, may_retry = sent_with(endpoint, authorization)
            assert (code in ("401", "UNAUTHENTICATED"), may_retry) == (True, False)
        assert sent_with(endpoint, "Bearer right")[0] in ("200", "OK")
        assert len(server.interactions()) == 1
        assert get(server, "/healthz")[0] == 200


def sent_with(endpoint, authorization: str) -> tuple[str, bool]:
    """The code of the answer to a span that was sent with a header, and whether it may be sent again."""
    import grpc

    body = endpoint.encode(traces(span()))
    if not isinstance(endpoint, Grpc):
        headers = {"content-type": endpoint.content_type, **({"authorization": authorization} if authorization else {})}
        reply = endpoint.request("POST", "/v1/traces", body, headers)
        return reply.code, reply.may_retry
    metadata = [("authorization", authorization)] if authorization else []
    with grpc.insecure_channel(endpoint.target.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        try:
            call(body, timeout=10, metadata=metadata)
        except grpc.RpcError as error:
            return error.code().name, error.code().name == "UNAVAILABLE"
        return "OK", False


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:4318", 200),
        ("LOCALHOST.", 200),
        ("[::1]:4318", 200),
        ("10.0.0.7", 200),
        ("host.docker.internal:4318", 200),
        ("notes.localhost", 200),
        ("known.example", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("known.example.evil.example", 403),
        ("", 403),
    ],
)
def test_a_name_that_somebody_else_may_own_is_refused(known: Serve, host: str, status: int) -> None:
    """A page of theirs could have that name lead here, and its scripts would write into the store."""
    endpoint = endpoint_of(known)
    headers = {"content-type": "application/x-protobuf", "host": host}
    assert endpoint.request("POST", "/v1/traces", b"", headers).code == str(status)


def test_the_answer_to_json_says_that_it_is_json(known: Serve) -> None:
    """However the type is spelled: a client reads the answer by what it says it is."""
    headers = {"content-type": "Application/JSON", "host": "localhost"}
    reply = endpoint_of(known).request("POST", "/v1/traces", b"{}", headers)
    assert (reply.ok, reply.headers["content-type"]) == (True, "application/json")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory):
    """A server with a name of its own."""
    path = tmp_path_factory.mktemp("hosts") / "store.db"
    with Serve(path, environ={"RLHF_OTEL_SERVER_HOSTS": "known.example"}) as running:
        yield running
