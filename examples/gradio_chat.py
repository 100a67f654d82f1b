"""A Gradio chat whose thumbs arrive at the calls behind its answers.

    pip install gradio
    OPENAI_API_KEY=... rlhf-otel-instrument python examples/gradio_chat.py

Each answer gets an id of our own, which its thumb brings back: so that trying again or undoing confuses nobody.
"""

import os
import uuid

import gradio as gr
import openai

import rlhf_otel as rlhf
from rlhf_otel import feedback

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
client = openai.OpenAI()


def text(message: dict) -> str:
    """What a message of Gradio's history says."""
    return "".join(part.get("text", "") for part in message["content"])


def respond(question: str, history: list[dict], request: gr.Request):
    """Streams an answer."""
    messages = [{"role": message["role"], "content": text(message)} for message in history]
    messages.append({"role": "user", "content": question})
    message_id, answer = str(uuid.uuid4()), ""
    with rlhf.context(session=request.session_hash, message=message_id):
        stream = client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            answer += chunk.choices[0].delta.content
            yield gr.ChatMessage(answer, metadata={"id": message_id})


def vote(history: list[dict], like: gr.LikeData, request: gr.Request) -> None:
    """Somebody has pressed a thumb; the last one that a person presses counts."""
    feedback.record(message=history[like.index]["metadata"]["id"], value=like.liked, rater=request.session_hash)


with gr.Blocks(title="Chat") as page:
    chat = gr.ChatInterface(respond, title="Chat", chatbot=gr.Chatbot(feedback_options=("Like", "Dislike")))
    chat.chatbot.like(vote, chat.chatbot, None)

if __name__ == "__main__":
    page.launch()
