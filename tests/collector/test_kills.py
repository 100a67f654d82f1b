"""The collector dies again and again while applications send, and its backend is away for a while: nothing is lost."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from http.client import HTTPException

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from rlhf_otel.store import Store
from tests.conformance.messages import logs, span, traces

pytestmark = pytest.mark.real_collector
KILLS = int(os.environ.get("RLHF_OTEL_TEST_KILLS", "5"))
"""How often; 100 take about five minutes."""
SERIOUS = KILLS >= 50
APPS, BETWEEN = (3, "0.05") if SERIOUS else (1, "0.01")
PATIENCE = 300 if SERIOUS else 100
"""Seconds to wait until the last has arrived."""
pick = random.Random(7)


def kill_it_again_and_again(collector, backend, times):
    """Kills at random moments once it is up; a third of the time there is no backend."""
    for number in range(times):
        if number == times // 3:
            backend.down()
        if number == 2 * times // 3:
            backend.up()
        time.sleep(pick.uniform(0, 1))
        collector.kill()
        time.sleep(pick.uniform(0, 0.2))
        collector.start()


@pytest.mark.timeout(max(180, 30 * KILLS))
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_every_interaction_is_there_once_after_many_kills(make_collector, served, start_app, protocol):
    """SIGKILL at random moments under load: all calls and all feedback are in the store, once, and joined."""
    collector = make_collector(**served.behind).start()
    apps = [start_app("chat.py", "0", BETWEEN, "2000", **collector.application(protocol)) for _ in range(APPS)]
    kill_it_again_and_again(collector, served, KILLS)
    made = [each for app in apps for each in app.finish()]  # they flush: the collector is up from now on
    assert len(made) > KILLS
    spans, rated = sorted(each["span"] for each in made), sorted(each["feedback"] for each in made)
    until = time.monotonic() + PATIENCE
    while (counts := in_store(served.store)) != (spans, rated) and time.monotonic() < until:
        time.sleep(0.3)
    assert counts == (spans, rated)
    print(f"{KILLS} kills, {protocol}: {len(spans)} calls and {len(rated)} feedback events, each there once")


class Sender:
    """Sends calls and feedback from several threads, each again and again until it is answered with 200."""

    def __init__(self, collector, threads):
        self.calls, self.feedback = [], []  # what was acknowledged
        self._collector, self._ended = collector, threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def finish(self):
        """Ends once what is being sent has been acknowledged."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        while not self._ended.is_set():
            call = span(gen_ai__input__messages="x" * 2000)
            event = logs(1, call.trace_id, call.span_id)
            self._send("/v1/traces", traces(call))
            self.calls.append(call.span_id.hex())
            self._send("/v1/logs", event)
            attributes = event.resource_logs[0].scope_logs[0].log_records[0].attributes
            self.feedback.append(next(a.value.string_value for a in attributes if a.key == "rlhf.feedback.id"))
            time.sleep(0.01)

    def _send(self, path, request):
        body = request.SerializeToString()
        while True:
            with suppress(OSError, HTTPException):
                if self._collector.post(path, body)[0] == 200:
                    return
            time.sleep(0.05)


@pytest.mark.timeout(max(180, 30 * KILLS))
def test_what_was_acknowledged_is_delivered_after_many_kills(make_collector, served):
    """SIGKILL at random moments under load: each acknowledged call and feedback is in the store, once, and joined."""
    collector = make_collector(**served.behind).start()
    sender = Sender(collector, 4)
    kill_it_again_and_again(collector, served, KILLS)
    sender.finish()
    expected = sorted(sender.calls), sorted(sender.feedback)
    until = time.monotonic() + PATIENCE
    while (found := in_store(served.store)) != expected and time.monotonic() < until:
        time.sleep(0.3)
    print(f"{KILLS} kills: {len(expected[0])} calls and {len(expected[1])} feedback events were acknowledged")
    print(f"missing: {len({*expected[0]} - {*found[0]})} and {len({*expected[1]} - {*found[1]})}")
    assert found == expected


def in_store(path):
    """The span ids of the calls, and the ids of the feedback that is joined with one of them."""
    with Store.open(path, read_only=True) as store:
        calls = list(store.interactions())
        joined = [each.id for of_one in store.feedback_on(calls).values() for each in of_one]
    return sorted(call.span_id for call in calls), sorted(joined)


def spans(first, count, size=1000):
    """A request with spans numbered from `first`."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(first, first + count):
        span = scope.spans.add(trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="s")
        span.attributes.add(key="text").value.string_value = "x" * size
    return request.SerializeToString()


def numbers(backend):
    """The numbers of the spans that arrived."""
    return {int(span.span_id, 16) for span in backend.spans}


def test_a_stop_in_good_order_while_the_backend_is_down_keeps_all(make_collector, backend):
    """What waits is on disk, and is delivered after the next start."""
    collector = make_collector().start()
    backend.down()
    for first in range(1, 201, 10):
        assert collector.post("/v1/traces", spans(first, 10))[0] == 200
    time.sleep(1)  # some of it is being sent
    assert collector.stop() == 0
    backend.up()
    collector.start()
    backend.wait_for(spans=200, timeout=60)
    assert numbers(backend) == set(range(1, 201))


def test_a_full_queue_refuses_and_what_was_taken_arrives(make_collector, backend):
    """With 503, which says try again; not one span that was answered with 200 is missing later."""
    collector = make_collector(COLLECTOR_QUEUE_BYTES="2000000", COLLECTOR_EXPORTERS="[otlp_http/serve]").start()
    backend.down()
    answers = {first: collector.post("/v1/traces", spans(first, 100))[0] for first in range(1, 6001, 100)}
    taken = {number for first, status in answers.items() if status == 200 for number in range(first, first + 100)}
    assert set(answers.values()) == {200, 503}
    backend.up()
    backend.wait_for(spans=len(taken), timeout=60)
    assert numbers(backend) == taken
