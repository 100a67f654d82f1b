"""The collector dies again and again while applications send, and its backend is away for a while: nothing is lost."""

from __future__ import annotations

import os
import random
import time

import pytest

from rlhf_otel import semconv as s

pytestmark = pytest.mark.real_collector
KILLS = int(os.environ.get("RLHF_OTEL_TEST_KILLS", "5"))
"""How often; 100 take about three minutes."""
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


@pytest.mark.timeout(max(180, 10 * KILLS))
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_every_interaction_is_there_once_after_many_kills(make_collector, backend, start_app, protocol):
    """SIGKILL at random moments under load: all spans and all feedback arrive, each the same however often it came."""
    collector = make_collector().start()
    app = start_app("chat.py", "0", "0.01", "2000", **collector.application(protocol))
    kill_it_again_and_again(collector, backend, KILLS)
    made = app.finish()  # it flushes: the collector is up from now on
    spans, rated = {each["span"] for each in made}, {each["feedback"] for each in made}
    until = time.monotonic() + 100
    while time.monotonic() < until and not (
        spans <= {span.span_id for span in backend.spans}
        and rated <= {log.attributes[s.FEEDBACK_ID] for log in backend.logs}
    ):
        time.sleep(0.2)
    assert len(made) > KILLS
    once = {span.span_id: span for span in backend.spans}
    assert set(once) == spans
    assert {log.attributes[s.FEEDBACK_ID] for log in backend.logs} == rated
    assert all(once[span.span_id] == span for span in backend.spans)
    print(
        f"{KILLS} kills, {protocol}: {len(spans)} spans and {len(rated)} feedback events, 0 lost; "
        f"{len(backend.spans) - len(spans)} and {len(backend.logs) - len(rated)} came more than once"
    )
