"""The fake provider as a server: script, record, concurrency, life cycle, command line."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from rlhf_otel.testing import FakeLLM, Reply
from rlhf_otel.testing.llm import main
from rlhf_otel.testing.reply import CANNED_TEXT


def ask(client, text="hi", **more):
    """The answer to one chat request."""
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)
    return answer.choices[0].message.content


def test_script_then_responder_then_default(llm, openai_client):
    """Scripted replies come first, then the responder's, and the default where there is neither."""
    llm.script(Reply(text="one"), Reply(text="two"))
    got = [ask(openai_client), ask(openai_client), ask(openai_client)]
    llm.responder = lambda request: Reply(text=f"you said {request.prompt}")
    assert [*got, ask(openai_client, "hello")] == ["one", "two", CANNED_TEXT, "you said hello"]


def test_requests_are_recorded(llm, openai_client):
    """Method, path, headers, JSON body and arrival of each request are kept, numbered from 1."""
    ask(openai_client, "first", temperature=0.5)
    ask(openai_client, "second")
    first, second = llm.requests
    assert (first.number, second.number) == (1, 2)
    assert (first.method, first.path, first.headers["authorization"]) == ("POST", "/v1/chat/completions", "Bearer test")
    assert (first.body["temperature"], first.prompt, second.prompt) == (0.5, "first", "second")
    assert first.time <= second.time


def test_the_prompt_is_found_in_every_api(llm, openai_client, anthropic_client):
    """`Request.prompt` is the last user text of chat, responses, messages and legacy completions."""
    parts = [{"role": "user", "content": [{"type": "text", "text": "in parts"}]}]
    ask(openai_client, "in chat")
    openai_client.responses.create(model="m", input="in a string")
    openai_client.responses.create(model="m", input=[{"role": "user", "content": "in a list"}])
    anthropic_client.messages.create(model="m", max_tokens=1, messages=parts)
    openai_client.completions.create(model="m", prompt="in a prompt")
    expected = ["in chat", "in a string", "in a list", "in parts", "in a prompt"]
    assert [request.prompt for request in llm.requests] == expected


def test_clear_forgets_but_numbers_on(llm, openai_client):
    """clear() drops what was recorded and scripted; later requests keep counting."""
    ask(openai_client)
    llm.script(Reply(text="never used"))
    llm.clear()
    assert (ask(openai_client), [request.number for request in llm.requests]) == (CANNED_TEXT, [2])


def test_wait_for_returns_when_enough_came(llm, openai_client):
    """wait_for returns the requests once another thread has made them, and raises where they do not come."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, openai_client)
        assert len(llm.wait_for(1)) == 1
        asked.result()
    with pytest.raises(TimeoutError, match="1 of 2 requests"):
        llm.wait_for(2, timeout=0.01)


def test_a_failing_responder_reaches_the_test():
    """What the responder raises is a 500 for the client, without retries, and is raised again at the end."""

    def responder(request):
        raise AssertionError(f"did not expect {request.prompt}")

    with pytest.raises(AssertionError, match="did not expect hi"):
        with FakeLLM(responder=responder) as llm, openai.OpenAI(base_url=llm.openai_url, api_key="test") as client:
            with pytest.raises(openai.InternalServerError, match="the script failed"):
                ask(client)
            assert len(llm.requests) == 1


@pytest.mark.parametrize("header", [{}, {"anthropic-version": "2023-06-01"}])
def test_unknown_paths_are_not_found(llm, header):
    """A path that no endpoint has is a 404 in the words of the asking dialect."""
    connection = http.client.HTTPConnection(llm.url.removeprefix("http://"))
    connection.request("GET", "/v1/nothing", headers=header)
    response = connection.getresponse()
    assert (response.status, b'"type":"error"' in response.read()) == (404, bool(header))
    connection.close()


def test_a_chunked_request_body_is_read(llm):
    """A request whose body comes in chunks is decoded like any other, on a connection that stays usable."""
    connection = http.client.HTTPConnection(llm.url.removeprefix("http://"))
    for model in ("a", "b"):
        body = iter([b'{"model": ', f'"{model}"}}'.encode()])
        connection.request("POST", "/v1/chat/completions", body, {"transfer-encoding": "chunked"}, encode_chunked=True)
        connection.getresponse().read()
    connection.close()
    assert [request.body for request in llm.requests] == [{"model": "a"}, {"model": "b"}]


def test_fifty_streams_at_once(llm):
    """Fifty connections that are all open at the same moment each get their own whole stream."""
    everybody = threading.Barrier(50, timeout=60)

    def responder(request):
        everybody.wait()
        return Reply(text=f"answer to {request.prompt}")

    llm.responder = responder
    with openai.OpenAI(base_url=llm.openai_url, api_key="test") as client, ThreadPoolExecutor(50) as pool:

        def stream(number):
            messages = [{"role": "user", "content": str(number)}]
            chunks = client.chat.completions.create(model="m", messages=messages, stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

        assert list(pool.map(stream, range(50))) == [f"answer to {number}" for number in range(50)]


def test_a_closed_server_frees_its_port():
    """After close() the same port can be listened on at once."""
    with FakeLLM() as first:
        port = int(first.url.rpartition(":")[2])
    with FakeLLM(port=port) as second, openai.OpenAI(base_url=second.openai_url, api_key="test") as client:
        assert (second.url, ask(client)) == (first.url, CANNED_TEXT)


def test_the_command_serves_until_interrupted(capsys):
    """The command prints where to find the server, answers with the given text, and ends with success on Ctrl-C."""
    answers = []

    def play():
        url = capsys.readouterr().err.splitlines()[0].removeprefix("OPENAI_BASE_URL=")
        with openai.OpenAI(base_url=url, api_key="any") as client:
            answers.append(ask(client))
        raise KeyboardInterrupt

    assert main(["--port", "0", "--text", "from the command"], wait=play) == 0
    assert answers == ["from the command"]
    assert "1 requests answered" in capsys.readouterr().err


def test_the_command_explains_itself():
    """`python -m rlhf_otel.testing.llm --help` lists the options and warns of nothing."""
    command = [sys.executable, "-W", "error", "-m", "rlhf_otel.testing.llm", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--chunk-delay" in shown.stdout
    assert shown.stderr == ""


def test_importing_the_package_imports_nothing_heavy():
    """`import rlhf_otel.testing`, and FakeLLM with it, bring in no SDK, no gRPC and no OpenTelemetry."""
    heavy = "{'openai', 'anthropic', 'grpc', 'opentelemetry', 'google.protobuf'}"
    script = f"import sys, rlhf_otel.testing as t; t.FakeLLM; print(sorted({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_public_name_resolves():
    """Each name in __all__ can be had, is listed by dir(), and no other name is invented."""
    import rlhf_otel.testing as testing

    assert {name for name in testing.__all__ if getattr(testing, name).__name__ == name} == set(testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        testing.Nothing  # noqa: B018 - the look-up is the test
