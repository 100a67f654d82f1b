"""The question beneath an answer, in a terminal that can do more than print lines: stars, then a comment."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from rlhf_otel.hooks import Opinion

STARS = 5
QUESTION = "How good was that?"
KEYS = "[b]1[/b]-[b]5[/b] or [b]← →[/b] choose   [b]Enter[/b] next   [b]Esc[/b] skip"
COMMENT_KEYS = "[b]Enter[/b] send   [b]Esc[/b] back"


def is_possible() -> bool:
    """Whether a question can be asked here: in a terminal, by the main thread, and beside no event loop of its own."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return False
    if sys.stdin is not sys.__stdin__ or sys.stderr is not sys.__stderr__:
        return False  # the application has put something of its own in their place
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
    return False


def ask() -> Opinion | None:
    """Asks, beneath what the terminal shows, and leaves it as it was.

    Returns:
        What the person said; None where they said nothing.

    Raises:
        KeyboardInterrupt: they pressed Ctrl-C.
    """
    question = Question()
    said = question.run(inline=True, mouse=False)
    if question.interrupted:
        raise KeyboardInterrupt
    return said


class Question(App[Opinion]):
    """Stars by digits or arrows, then a line for a comment."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen:inline { height: auto; border: none; padding: 0; }
    Static { height: 1; }
    #stars { color: $warning; }
    #keys { color: $text-muted; }
    #comment { display: none; height: 1; border: none; padding: 0; }
    .writing #comment { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(star), f"choose({star})", show=False) for star in range(1, STARS + 1)),
        Binding("right,up", "move(1)", show=False),
        Binding("left,down", "move(-1)", show=False),
        Binding("enter", "next", show=False),
        Binding("escape", "step_back", show=False, priority=True),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+d", "exit", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.rating = 0
        self.interrupted = False

    def compose(self) -> ComposeResult:
        """The question, the line for a comment, and which keys do what."""
        yield Static(id="stars")
        yield Input(placeholder="A comment, if you like", id="comment", max_length=4000)
        yield Static(KEYS, id="keys")

    def on_mount(self) -> None:
        """Keys choose stars until there are some."""
        self.query_one(Input).disabled = True
        self._show()

    def action_choose(self, rating: int) -> None:
        """So many stars."""
        self.rating = rating
        self._show()

    def action_move(self, by: int) -> None:
        """A star more or less."""
        self.action_choose(min(max(self.rating + by, 1), STARS))

    def action_next(self) -> None:
        """On to the comment, once there is a rating."""
        if self.rating:
            self._write(True)

    def action_step_back(self) -> None:
        """From the comment to the stars; from there out, saying nothing."""
        if self._is_writing:
            self._write(False)
        else:
            self.action_exit()

    def action_exit(self) -> None:
        """Nothing was said."""
        self.exit(None)

    def action_interrupt(self) -> None:
        """Ctrl-C is meant for the application."""
        self.interrupted = True
        self.exit(None)

    @on(Input.Submitted)
    def submit(self, event: Input.Submitted) -> None:
        """What was said."""
        self.exit(Opinion(self.rating, event.value.strip() or None))

    @property
    def _is_writing(self) -> bool:
        return self.screen.has_class("writing")

    def _write(self, writing: bool) -> None:
        comment = self.query_one(Input)
        self.screen.set_class(writing, "writing")
        comment.disabled = not writing
        self.set_focus(comment if writing else None)
        self.query_one("#keys", Static).update(COMMENT_KEYS if writing else KEYS)

    def _show(self) -> None:
        stars = "★" * self.rating + "☆" * (STARS - self.rating)
        word = f"{self.rating} of {STARS}" if self.rating else ""
        self.query_one("#stars", Static).update(f"{QUESTION}  {stars}  {word}")
