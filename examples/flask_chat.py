"""A chat in the browser with Flask: the page of `fastapi_chat.py`, behind a WSGI server.

    pip install flask openai
    OPENAI_API_KEY=... rlhf-otel-instrument python examples/flask_chat.py     # http://127.0.0.1:8000

Two wrappers do it: `FeedbackWSGI` answers `POST /v1/feedback` and serves the component, and `TraceHeadersWSGI` returns
the token of the call that a request has made, so that no view has to.
"""

import os
from pathlib import Path

from flask import Flask, Response, request, send_file
from openai import OpenAI

import rlhf_otel as rlhf
from rlhf_otel.web import FeedbackWSGI, TraceHeadersWSGI

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
app = Flask(__name__)
app.wsgi_app = TraceHeadersWSGI(FeedbackWSGI(app.wsgi_app))
client = OpenAI()


@app.get("/")
def page() -> Response:
    """The chat."""
    return send_file(Path(__file__).with_name("chat.html").resolve())


@app.post("/chat")
def chat() -> Response:
    """Streams the next answer."""
    with rlhf.context(session=request.json["session"]):
        stream = client.chat.completions.create(model=MODEL, messages=request.json["messages"], stream=True)
    words = (chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    return Response(words, mimetype="text/plain")


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")))
