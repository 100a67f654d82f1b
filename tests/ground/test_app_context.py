"""What the application says of its calls, and how far that reaches."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from rlhf_otel.app_context import collected, context


def test_blocks_nest():
    """An inner block adds and overrides; leaving it restores the outer."""
    with context(session="s", user="u", tier="gold") as outer:
        with context(user="v", variant="B", tier="free", page=2) as inner:
            assert (inner.session, inner.user, inner.variant) == ("s", "v", "B")
            assert dict(inner.values) == {"tier": "free", "page": 2}
            assert collected() is inner
        assert collected() is outer
        assert dict(outer.values) == {"tier": "gold"}
    assert (collected().session, dict(collected().values)) == (None, {})


def test_every_word_of_its_own():
    """The named arguments are fields; anything else is a value."""
    with context(session="s", user="u", message="m", variant="v", consent="eval", other=1) as made:
        assert (made.session, made.user, made.message, made.variant, made.consent) == ("s", "u", "m", "v", "eval")
        assert dict(made.values) == {"other": 1}


def test_consent_is_one_of_three_words():
    """Another word is an error that names them, before anything is recorded under it."""
    with pytest.raises(ValueError, match="consent is 'maybe'; it is one of train, eval, none"):
        with context(consent="maybe"):
            raise AssertionError("not reached")


def test_an_exception_leaves_the_block():
    """The outer context is back after an exception, which passes through."""
    with pytest.raises(KeyError):
        with context(session="s"):
            raise KeyError
    assert collected().session is None


def test_tasks_do_not_see_each_other():
    """Each task has the context that it was started in, and what it sets is its own."""

    async def work(name):
        with context(session=name):
            await asyncio.sleep(0)
            return collected().session, collected().user

    async def main():
        with context(user="u"):
            return await asyncio.gather(*(work(str(n)) for n in range(5)))

    assert asyncio.run(main()) == [(str(n), "u") for n in range(5)]


def test_threads_begin_empty_unless_the_context_is_copied():
    """As with any context variable."""
    seen = []

    def look():
        seen.append(collected().session)

    with context(session="s"):
        copied = contextvars.copy_context()
        for target in (look, lambda: copied.run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [None, "s"]


def test_a_generator_closed_elsewhere_raises_nothing():
    """A block that is left in another context than it was entered in has nothing to restore, and says nothing."""

    def stream():
        with context(session="s"):
            yield collected().session

    made = stream()
    assert contextvars.Context().run(next, made) == "s"
    made.close()
    assert collected().session is None
