"""Calls a method with the least that its signature asks for, and uses what it returns as an application would."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any, Literal

from .finding import Found

QUESTION = [{"role": "user", "content": "Hi"}]
SOUND = ("a.mp3", b"ID3", "audio/mpeg")
GIVEN: Mapping[str, Any] = {
    "messages": QUESTION,
    "input": "Hi",
    "prompt": "Hi",
    "model": "model-1",
    "file": SOUND,
    "image": ("a.png", b"PNG", "image/png"),
    "max_tokens": 16,
    "tools": [],
    "requests": [{"custom_id": "a", "params": {"model": "model-1", "max_tokens": 16, "messages": QUESTION}}],
    "questions": [{"type": "predicate", "instructions": "Is it?"}],
    "tool_outputs": [{"tool_call_id": "call_1", "output": "1"}],
    "completion_window": "24h",
    "endpoint": "/v1/chat/completions",
    "video": ("a.mp4", b"MP4", "video/mp4"),
}
"""What is passed by the name of the parameter; anything else is made up by its type."""

MORE = {"openai responses.stream": ("model", "input")}
"""What some methods want although their signatures do not say so."""

TERMINAL = ("response.completed", "error")


def arguments(found: Found, ids: Mapping[str, str]) -> dict[str, Any]:
    """The least that the method asks for; `ids` are those of things that exist."""
    parameters = inspect.signature(found.method).parameters
    hints = typing.get_type_hints(found.method.__func__, vars(inspect.getmodule(found.method.__func__)))
    made: dict[str, Any] = {name: GIVEN[name] for name in MORE.get(found.name, ())}
    for name, parameter in parameters.items():
        variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if parameter.default is parameter.empty and not variadic:
            made[name] = ids.get(name) or GIVEN.get(name) or _made_up(hints.get(name), f"{name}_1")
    return made


def variants(found: Found) -> list[dict[str, Any]]:
    """Further arguments for each of the ways in which the method answers: at once, and bit by bit."""
    streams = any(cls.__name__ == "Stream" for cls in found.returns)
    return [{}, {"stream": True}] if streams and "stream" in inspect.signature(found.method).parameters else [{}]


def _made_up(annotation: Any, name: str) -> Any:
    """A value of a type."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return inner[0]
    if annotation in (int, float, bool):
        return annotation(1)
    if origin is not None and inner and str not in inner:
        return _made_up(inner[0], name) if origin is typing.Union else []
    return name


def use(found: Found, result: Any) -> None:
    """Reads what was returned to its end."""
    kind = type(result).__name__
    if kind.endswith("ConnectionManager"):
        _converse(found, result)
    elif kind.endswith("StreamManager"):
        with result as stream:
            _read(stream)
    elif kind.endswith("Runner"):
        result.until_done()
    elif kind.endswith("Thread") and hasattr(result, "send"):
        result.send("Hi")
    elif kind.endswith(("Stream", "JSONLDecoder")):
        _read(result)


def _read(source: Any) -> None:
    for _ in source:
        pass


def _converse(found: Found, manager: Any) -> None:
    """Asks once over a connection, and reads up to the end of the answer where the fake provider knows one."""
    with manager as connection:
        connection.send({"type": "response.create", "model": "model-1", "input": "Hi"})
        if found.path.endswith("responses.connect"):
            for event in connection:
                if event.type in TERMINAL:
                    return
