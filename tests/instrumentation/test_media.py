"""Media never travel inside a span, wherever in a request or a response they are."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from rlhf_otel.instrumentation import parts
from rlhf_otel.testing import Reply

from .contract import PICTURES, PIXEL

LONG = base64.b64encode(bytes(3000)).decode()
DATA = f"data:image/png;base64,{PIXEL}"
HASH = PICTURES[1]["uri"]


@pytest.fixture
def responses(llm, clients, captured):
    """Calls `/responses` with this input, which is answered with this output; the parts of both."""

    def ask(given: list[Any], *output: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        body = {"id": "r-1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
                "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "output": list(output)}  # fmt: skip
        llm.script(Reply(raw=json.dumps(body), headers={"content-type": "application/json"}))
        clients["openai", "sync"].responses.create(model="m", input=given)
        (span,) = captured.spans
        names = ("gen_ai.input.messages", "gen_ai.output.messages")
        asked, answered = (json.loads(span.attributes[name])[0]["parts"] for name in names)
        return asked, answered

    return ask


def test_a_generated_picture_is_hashed(responses) -> None:
    """The picture that the model made is named by its hash; what else the item says stays."""
    item = {"type": "image_generation_call", "id": "ig-1", "status": "completed", "result": PIXEL}
    _, (part,) = responses([{"role": "user", "content": "Draw."}], item)
    assert part["name"] == "image_generation_call"
    assert part["server_tool_call"] == {**item, "result": PICTURES[1]}


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
def test_pictures_of_tools_are_hashed(kind: str, responses) -> None:
    """A tool's answer of texts and pictures is read into parts, like a message."""
    output = [{"type": "input_text", "text": "See:"}, {"type": "input_image", "image_url": DATA}]
    (part,), _ = responses([{"type": kind, "call_id": "c-1", "output": output}])
    answer = [{"type": "text", "content": "See:"}, PICTURES[1]]
    assert part == {"type": "tool_call_response", "id": "c-1", "response": answer}


def test_screenshots_are_hashed(responses) -> None:
    """What the model is shown of a computer is a picture like any other."""
    output = {"type": "computer_screenshot", "image_url": DATA}
    (part,), _ = responses([{"type": "computer_call_output", "call_id": "c-1", "output": output}])
    assert part == {"type": "tool_call_response", "id": "c-1", "response": PICTURES[1]}


@pytest.mark.parametrize("data", [LONG, f"data:application/octet-stream;base64,{LONG}"])
def test_files_are_hashed(data: str, responses) -> None:
    """A file is hashed with and without a `data:` in front of it."""
    (part,), _ = responses(
        [{"role": "user", "content": [{"type": "input_file", "filename": "a.bin", "file_data": data}]}]
    )
    assert part["uri"].startswith("sha256:")
    assert (part["byte_size"], part["mime_type"]) == (3000, "application/octet-stream")


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_media_in_chat_messages_are_hashed(kind: str, llm, clients, captured) -> None:
    """The parts that compatible servers take are read like the ones of openai itself, in tools' answers too."""
    part = {"type": f"{kind}_url", f"{kind}_url": {"url": DATA}}
    messages: Any = [{"role": role, "content": [part], "tool_call_id": "c-1"} for role in ("user", "tool")]
    clients["openai", "sync"].chat.completions.create(model="m", messages=messages)
    (span,) = captured.spans
    asked, told = json.loads(span.attributes["gen_ai.input.messages"])
    assert asked["parts"] == told["parts"][0]["response"] == [{**PICTURES[1], "modality": kind}]


HASHED = {key: value for key, value in PICTURES[1].items() if key != "mime_type"}
EDITOR = {"type": "text_editor_code_execution_view_result", "content": PIXEL, "num_lines": None}


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ({**EDITOR, "file_type": "image"}, {**EDITOR, "file_type": "image", "content": HASHED}),
        ({**EDITOR, "file_type": "text", "content": "a = 1"}, {**EDITOR, "file_type": "text", "content": "a = 1"}),
        ([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}], [PICTURES[1]]),
        ([{"deep": [{"type": "base64", "media_type": "image/png", "data": PIXEL}]}],
         [{"deep": [PICTURES[1]]}]),
    ],
)  # fmt: skip
def test_media_in_the_results_of_a_servers_tools_are_hashed(content: Any, kept: Any, llm, clients, captured) -> None:
    """However deep in the result of a tool that the provider runs, media are named by their hash; text stays."""
    block = {"type": "text_editor_code_execution_tool_result", "tool_use_id": "srv-1", "content": content}
    messages: Any = [{"role": "assistant", "content": [block]}]
    clients["anthropic", "sync"].messages.create(model="m", max_tokens=9, messages=messages)
    (span,) = captured.spans
    (part,) = json.loads(span.attributes["gen_ai.input.messages"])[0]["parts"]
    told = {"type": "text_editor_code_execution_tool_result", "content": kept}
    assert part == {"type": "server_tool_call_response", "id": "srv-1", "server_tool_call_response": told}


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://bob:pw@host/i.png?sig=abc#x", "https://host/i.png?sig=abc#x"),
        ("https://bob:p@w@host:8443/i.png", "https://host:8443/i.png"),
        ("https://host/@bob/i.png?to=a@b", "https://host/@bob/i.png?to=a@b"),
        ("https://host?to=a@b", "https://host?to=a@b"),
        ("gs://bucket/i.png", "gs://bucket/i.png"),
    ],
)
def test_addresses_lose_their_password(address: str, kept: str) -> None:
    """Name and password in an address are left out, and nothing else of it."""
    assert parts.media("image", address)["uri"] == kept


def test_what_is_no_address_is_hashed() -> None:
    """Base64 text whose type nobody said is media all the same."""
    assert parts.media("image", PIXEL) == {"type": "uri", "modality": "image", "uri": HASH, "byte_size": 8}
    assert parts.media("image", "") == parts.media("image", None) == {"type": "uri", "modality": "image", "uri": ""}
