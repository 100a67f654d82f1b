"""One thread on which asynchronous code has its feedback recorded: a vote may have to be written before it is one."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rlhf_otel import hooks

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

P = ParamSpec("P")
Result = TypeVar("Result")


class Aside:
    """The thread, made when it is first needed. Votes are recorded in the order in which they were given."""

    def __init__(self) -> None:
        self._renew()
        hooks.after_fork(self._renew)

    def _renew(self) -> None:
        """The child of a fork has no thread of its parent's."""
        self._lock = threading.Lock()
        self._made: ThreadPoolExecutor | None = None

    def _threads(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._made is None:
                self._made = ThreadPoolExecutor(1, thread_name_prefix="rlhf-otel-feedback")
            return self._made

    async def run(self, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """What `work` returns, in the context of the caller; in place where the loop is none of asyncio's."""
        import asyncio  # whoever awaits this has it

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return work(*args, **kwargs)
        call: Any = functools.partial(contextvars.copy_context().run, work, *args, **kwargs)
        return await asyncio.shield(loop.run_in_executor(self._threads(), call))


run = Aside().run
