"""Which methods of a client library return what a model has made.

The rule: a public method of a resource that a client leads to counts where its return annotation names

* a stream, a stream's manager, a connection, a runner of tools, a thread, raw bytes or JSON lines; or
* a model of the library with one of the fields in `FIELDS`, which answers of models have.

What only lists or changes what is stored is left out by its name (`BY_NAME`). The rule is meant to find too much: what
it finds and is no output of a model is listed with a reason in `classes.py`.
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FIELDS = frozenset({
    "usage", "choices", "output", "output_text", "stop_reason", "answers", "transcript", "text", "b64_json",
    "output_format", "flagged", "results", "request_counts", "embedding", "input_tokens", "remixed_from_video_id",
})  # fmt: skip
"""Fields that answers of models have, and what is reported of work in progress."""

ENDINGS = ("Stream", "StreamManager", "ConnectionManager", "Runner", "Thread", "BinaryResponseContent",
           "BinaryAPIResponse", "JSONLDecoder")  # fmt: skip
"""How the names of types end that bring answers bit by bit, or as bytes."""

BY_NAME = ("list", "update", "delete")
"""What these methods return was there before."""


@dataclass(frozen=True)
class Found:
    """A method that returns what a model has made, or may have."""

    sdk: str
    path: str
    method: Any
    returns: tuple[type, ...]

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"{self.sdk} {self.path}"


def methods(client: Any) -> Iterator[Found]:
    """Every method of `client` to which the rule applies."""
    sdk = type(client).__module__.partition(".")[0]
    for path, resource in _resources(client, "", sdk):
        for name, function in _functions(type(resource)):
            types = tuple(_types(_returned(function)))
            if name not in BY_NAME and any(map(_brings_output, types)):
                yield Found(sdk, f"{path}{name}", getattr(resource, name), types)


def _resources(owner: Any, path: str, sdk: str) -> Iterator[tuple[str, Any]]:
    """The resources below `owner`, each with the path that leads there."""
    for name in sorted(dir(type(owner))):
        kind = inspect.getattr_static(type(owner), name)
        if name.startswith(("_", "with_")) or not isinstance(kind, property | functools.cached_property):
            continue
        resource = getattr(owner, name)
        if type(resource).__module__.startswith(f"{sdk}.resources"):
            yield f"{path}{name}.", resource
            yield from _resources(resource, f"{path}{name}.", sdk)


def _functions(cls: type) -> Iterator[tuple[str, Any]]:
    for name in sorted(dir(cls)):
        function = inspect.getattr_static(cls, name)
        if inspect.isfunction(function) and not name.startswith(("_", "with_")):
            yield name, function


def _returned(function: Any) -> Any:
    """The return annotation; None where the library itself cannot resolve it."""
    try:
        return typing.get_type_hints(function, vars(sys.modules[function.__module__])).get("return")
    except (NameError, TypeError):
        return None


def _types(annotation: Any) -> Iterator[type]:
    """Every class that an annotation names."""
    origin = typing.get_origin(annotation)
    if isinstance(origin or annotation, type):
        yield origin or annotation
    for argument in typing.get_args(annotation):
        yield from _types(argument)


def _brings_output(cls: type) -> bool:
    fields = getattr(cls, "model_fields", None) or getattr(cls, "__fields__", {})
    return cls.__name__.endswith(ENDINGS) or not FIELDS.isdisjoint(fields)
