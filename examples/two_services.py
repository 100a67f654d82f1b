"""Two services: `front` knows the person, `answers` asks the model, and a thumb at the one finds the call of the other.

    export OPENAI_API_KEY=...
    rlhf-otel-instrument python examples/two_services.py answers 8001 &
    rlhf-otel-instrument python examples/two_services.py front 8000 http://127.0.0.1:8001 &
    curl -i localhost:8000/ask -H 'x-session: conv-42' -H 'x-user: u1' -d 'How do I keep basil fresh?'
    curl -i localhost:8000/v1/feedback -H 'content-type: text/plain' -d '{"token": "x-rlhf-token", "value": true}'

The second has, in the place of x-rlhf-token, the header of that name from the answer.

Baggage carries session and user to the service that makes the call, and the answer's token comes back with it.
"""

import os
import sys
from urllib.request import Request, urlopen
from wsgiref.simple_server import make_server

import openai

import rlhf_otel as rlhf
from rlhf_otel.web import FeedbackWSGI, TraceHeadersWSGI

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")


def read(environ) -> str:
    """The body of a request."""
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()


def answers(environ, start_response):
    """The service behind: it knows what is asked, and by the baggage for whom."""
    messages = [{"role": "user", "content": read(environ)}]
    made = openai.OpenAI().chat.completions.create(model=MODEL, messages=messages)
    start_response("200 OK", [("content-type", "text/plain; charset=utf-8")])
    return [(made.choices[0].message.content or "").encode()]


def front(behind: str):
    """The service in front: it knows who asks."""

    def app(environ, start_response):
        session, user = environ.get("HTTP_X_SESSION"), environ.get("HTTP_X_USER")
        with rlhf.context(session=session, user=user, channel="web"):
            request = Request(behind, read(environ).encode(), headers=rlhf.baggage())
        with urlopen(request, timeout=60) as came:
            passed_on = [(name, value) for name in ("content-type", "x-rlhf-token") if (value := came.headers[name])]
            start_response("200 OK", passed_on)
            return [came.read()]

    return app


def main(role: str, port: str, behind: str = "") -> None:
    """Serves until Ctrl-C."""
    app = TraceHeadersWSGI(answers, baggage=True) if role == "answers" else FeedbackWSGI(front(behind))
    with make_server("127.0.0.1", int(port), app) as server:
        print(f"{role} at http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
