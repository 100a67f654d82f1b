"""What the demo's model answers to what the demo's application (`examples/chat.py`) asks."""

from __future__ import annotations

from rlhf_otel.testing import Reply, Request, ToolCall, Usage

_THINKING_S = 0.4
_STORY = (
    "Once upon a time, in a village where the streets were named after forgotten songs, there lived a clockmaker who "
    "had never once been on time. " * 6
)
_WEATHER = (
    Reply(tool_calls=[ToolCall("get_weather", '{"city": "Lisbon"}')], usage=Usage(input=74, output=17),
          headers_delay=_THINKING_S),
    Reply(text="No coat needed: Lisbon is clear and 19 °C.", usage=Usage(input=121, output=14, cached=64),
          headers_delay=_THINKING_S),
)  # fmt: skip
_BAKERIES = (
    Reply(text="Salt & Crumb", usage=Usage(input=16, output=5), headers_delay=_THINKING_S),
    Reply(text="The Bread Shop", usage=Usage(input=16, output=4), headers_delay=_THINKING_S),
)
_ANSWERS = {
    "basil": Reply(
        text="Stand the stems in a glass of water at room temperature, cover the leaves loosely, and keep it out of "
        "the fridge.", usage=Usage(input=28, output=27), first_delay=0.3, chunk_delay=0.035),
    "litre": Reply(text="They weigh the same, because a litre is a litre.", usage=Usage(input=19, output=13),
                   headers_delay=_THINKING_S),
    "haiku": Reply(text="Rain taps on the glass\neach leaf lets go of summer\nthe gutters applaud",
                   usage=Usage(input=16, output=24), first_delay=0.3, chunk_delay=0.035),
    "story": Reply(text=_STORY, first_delay=0.3, chunk_delay=0.035),
}  # fmt: skip


class Script:
    """Answers by what the question is about; a repeated question gets the next answer."""

    def __init__(self) -> None:
        self._bakeries = 0

    def __call__(self, request: Request) -> Reply:
        """The answer to one request."""
        prompt = request.prompt
        if request.body.get("model") == "no-such-model":
            return Reply(status=404, error="The model `no-such-model` does not exist")
        if "bakery" in prompt:
            self._bakeries += 1
            return _BAKERIES[(self._bakeries - 1) % 2]
        if "coat" in str(request.body):
            return _WEATHER[any(m.get("role") == "tool" for m in request.body.get("messages", ()))]
        return next((reply for word, reply in _ANSWERS.items() if word in prompt), Reply())
