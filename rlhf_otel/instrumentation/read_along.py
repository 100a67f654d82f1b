"""Reads along where the application reads an answer's bytes itself, out of an object that a library gave it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks
from rlhf_otel.instrumentation.bodies import reader_for

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rlhf_otel.instrumentation.call import Call


class ReadAlong:
    """Stands for what a library's own object reads from; all that it does not know is the other's.

    It holds the call: whoever drops the library's object drops the call with it. Where chunks are observed elsewhere
    it tells of nothing but that the application has closed the stream.
    """

    __slots__ = ("_call", "_left", "_raw", "_reader")

    def __init__(self, call: Call, raw: Any, holder: Any) -> None:
        self._call, self._raw = call, raw
        response = raw if hasattr(raw, "headers") else holder
        self._reader = None if call.stream else reader_for(call, response)
        length = str(response.headers.get("content-length", ""))
        self._left = int(length) if length.isdigit() else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """Reads as the other does."""
        try:
            data = self._raw.read(*args, **kwargs)
        except BaseException as error:
            self._call.fail(error)
            raise
        is_all = not args or args[0] in (None, -1)
        return self._awaited(data, is_all) if inspect.isawaitable(data) else self._seen(data, is_all)

    async def _awaited(self, data: Awaitable[bytes], is_all: bool) -> bytes:
        try:
            read = await data
        except BaseException as error:
            self._call.fail(error)
            raise
        return self._seen(read, is_all)

    def readinto(self, buffer: Any) -> Any:
        """Reads as the other does."""
        count = self._raw.readinto(buffer)
        self._seen(bytes(memoryview(buffer)[:count]))
        return count

    def readlines(self, *args: Any) -> Any:
        """Reads as the other does."""
        lines = self._raw.readlines(*args)
        self._seen(b"".join(lines), is_all=not args)
        return lines

    def __iter__(self) -> Any:
        while chunk := self.read(1024):
            yield chunk

    def __enter__(self) -> ReadAlong:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> Any:
        """Closes the other; whatever has not been read by now never will be."""
        closed = self._raw.close()
        self._end("abandoned")
        return closed

    def _seen(self, data: bytes, is_all: bool = False) -> bytes:
        """Reads what the application is about to get; nothing, or all there was to come, is the end."""
        try:
            if self._reader is not None and self._call.is_open:
                self._reader.feed(self._call, data)
                if self._left is not None:
                    self._left -= len(data)
                if is_all or not data or self._left == 0:
                    self._end("completed")
        except Exception as error:  # noqa: BLE001 - the application gets its bytes whatever we make of them
            hooks.fault("reading along", error)
        return data

    def _end(self, end: Any) -> None:
        if self._reader is not None and self._call.is_open:
            self._call.read(self._reader.finish if end == "completed" else self._reader.cut)
        self._call.finish(end)
