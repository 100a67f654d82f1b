"""A chat in the browser with FastAPI: answers come as a stream, and below each of them people say what they think.

    pip install fastapi uvicorn openai
    OPENAI_API_KEY=... rlhf-otel-instrument python examples/fastapi_chat.py     # http://127.0.0.1:8000

`FeedbackApp` answers `POST /v1/feedback` and serves the component that `chat.html` shows. The page gets a token for
each answer, and needs nothing else.
"""

import os
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

import rlhf_otel as rlhf
from rlhf_otel.web import FeedbackApp

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
app = FastAPI()
app.add_middleware(FeedbackApp)
client = AsyncOpenAI()


class Conversation(BaseModel):
    """What the page sends: who asks, and all that was said."""

    session: str
    messages: list[dict[str, str]]


@app.get("/")
def page() -> FileResponse:
    """The chat."""
    return FileResponse(Path(__file__).with_name("chat.html"))


@app.post("/chat")
async def chat(asked: Conversation) -> StreamingResponse:
    """Streams the next answer, and says by what token it can be rated."""
    with rlhf.context(session=asked.session):
        stream = await client.chat.completions.create(model=MODEL, messages=asked.messages, stream=True)
    handle = rlhf.handle(stream)  # None where nothing is recorded
    headers = {"x-rlhf-token": handle.token(rater=asked.session)} if handle else {}

    async def words():
        async for chunk in stream:
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""

    return StreamingResponse(words(), media_type="text/plain; charset=utf-8", headers=headers)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
