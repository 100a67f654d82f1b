"""Handles: found from whatever the application holds, bounded, and keeping nothing alive."""

from __future__ import annotations

import contextvars
import gc
import threading
import weakref

import pytest

from rlhf_otel import handles
from rlhf_otel.records import Handle


class Response:
    """Something that a client library returns."""

    def __init__(self, identity=None):
        self.id = identity


def made(number: int, **more) -> Handle:
    return Handle("a" * 32, f"{number:016x}", **more)


def test_found_by_span_id_response_id_and_message_id():
    """Each of the ids leads to the handle; an unknown one to None."""
    handle = made(1, response_id="resp-1")
    handles.remember(handle, "m-1", None)
    keys = ((handle.span_id, "span"), ("resp-1", "response"), ("m-1", "message"), ("m-2", "message"))
    assert [handles.find(key, kind) for key, kind in keys] == [handle, handle, handle, None]


def test_an_id_of_one_kind_does_not_shadow_one_of_another():
    """A message that the application calls by the span id of another call does not take that one's feedback."""
    handles.remember(made(1, response_id="resp-1"))
    handles.remember(made(2), made(1).span_id, "resp-1")
    assert handles.find(made(1).span_id) == made(1, response_id="resp-1")
    assert handles.find("resp-1", "response") == made(1, response_id="resp-1")
    assert handles.find("resp-1", "message") == made(2)


def test_the_newest_call_wins_an_id():
    """A message that is regenerated belongs to the later call."""
    handles.remember(made(1), "m-1")
    handles.remember(made(2), "m-1")
    assert handles.find("m-1", "message") == made(2)


def test_the_table_is_bounded(monkeypatch):
    """The oldest leave; what is used again stays."""
    monkeypatch.setattr(handles, "CAPACITY", 10)
    for number in range(1, 50):
        handles.remember(made(number))
    assert len(handles._by_id) == 10
    assert handles.find(made(49).span_id) is not None
    assert handles.find(made(1).span_id) is None


def test_a_result_leads_to_its_handle_and_is_not_kept_alive():
    """The entry goes with the object."""
    result, handle = Response(), made(1)
    handles.attach(handle, result)
    assert handles.handle(result) == handle
    gone = weakref.ref(result)
    del result
    gc.collect()
    assert gone() is None
    assert handles._by_object == {}


def test_another_object_with_the_same_address_is_another_object():
    """An id that Python uses again does not lead to the old call."""
    for number in range(1, 200):
        result = Response()
        assert handles.handle(result) is None
        handles.attach(made(number), result)
        assert handles.handle(result) == made(number)


def test_a_handle_is_its_own_handle():
    """What is a handle already stays as it is."""
    assert handles.handle(made(3)) == made(3)


def test_a_copy_is_found_by_its_response_id():
    """A parsed or unpickled response is another object with the same id."""
    handles.remember(made(1, response_id="resp-1"))
    assert handles.handle(Response("resp-1")) == made(1, response_id="resp-1")
    assert handles.handle(Response("resp-2")) is None
    assert handles.handle(Response(5)) is None
    assert handles.handle("text") is None


def test_what_cannot_be_referred_to_weakly_is_no_error():
    """A tuple or a dict is found by its id, or not at all."""
    handles.attach(made(1), ("a", "tuple"))
    assert handles.handle(("a", "tuple")) is None


def test_an_object_that_fails_when_looked_at_is_no_response():
    """Foreign objects may raise for any attribute; looking raises nothing."""

    class Hostile:
        @property
        def id(self):
            raise RuntimeError("do not look")

    assert handles.handle(Hostile()) is None


def test_last_and_current():
    """The newest call of this thread, and the one under way."""
    contextvars.Context().run(check_last_and_current)


def check_last_and_current():
    assert (handles.last(), handles.current()) == (None, None)
    token = handles.begin(made(1))
    assert (handles.last(), handles.current()) == (made(1), made(1))
    handles.leave(token)
    assert (handles.last(), handles.current()) == (made(1), None)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(handles.last()))
    thread.start()
    thread.join()
    assert seen == [None]


@pytest.mark.parametrize("sampled", [True, False])
def test_a_traceparent(sampled):
    """The W3C form, with the flag of the span."""
    assert made(1, sampled=sampled).traceparent == f"00-{'a' * 32}-{'0' * 15}1-0{int(sampled)}"


def test_many_threads_at_once(monkeypatch):
    """Remembering and finding from many threads loses nothing and breaks nothing."""
    monkeypatch.setattr(handles, "CAPACITY", 100)
    faults = []

    def work(start):
        try:
            for number in range(start, start + 2000):
                handles.remember(made(number + 1), f"m-{number}")
                handles.find(f"m-{number - 1}", "message")
                handles.attach(made(number + 1), Response())
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(base * 10_000,)) for base in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert faults == []
    assert len(handles._by_id) == 100
