"""What was asked in the background: the question is in one call, the answer in a later one that fetches it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call

CAPACITY = 256
"""How many questions wait for their answers at most; of older ones the answer is recorded by itself."""


class Waiting:
    """The questions that have no answer yet, by the id of the response."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, tuple[Any, ...]] = OrderedDict()

    def add(self, call: Call) -> None:
        """`call` has ended before there was an answer."""
        if call.response_id:
            self._asked.setdefault(call.response_id, ())
            while len(self._asked) > CAPACITY:
                self._asked.popitem(last=False)

    def holds(self, response_id: Any) -> bool:
        """Whether the answer to `response_id` is still to come."""
        return response_id in self._asked

    def keep(self, call: Call) -> None:
        """Keeps what `call` asked, which is read after its end."""
        if call.response_id and call.response_id in self._asked:
            self._asked[call.response_id] = (call.request_model, call.input, call.system, call.tools)

    def give(self, call: Call) -> None:
        """Puts the question into `call`, which has brought the answer."""
        if call.response_id and call.output and (asked := self._asked.pop(call.response_id, ())):
            call.request_model, call.input, call.system, call.tools = asked


waiting = Waiting()
