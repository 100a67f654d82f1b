"""What the collector redacts is what the application redacts, and all else comes out as it went in."""

from __future__ import annotations

import json
import random
import re

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from rlhf_otel import codec
from rlhf_otel.redact import DEFAULT_RULES, Redactor
from tests.redact.keys import KEYS, NAMED, Maker
from tests.redact.test_redactor import SECRETS, token

pytestmark = pytest.mark.real_collector
TOLD_BY_FORM = [rule for rule in DEFAULT_RULES if rule.check is None and rule.group in ("secrets", "email")]
redactor = Redactor([rule for rule in TOLD_BY_FORM if rule.keywords or rule.hint[:1] != "["], keys=())
"""What the collector can do: it computes no check digits, looks for nothing without a word that says where, and
knows no keys of objects but those of its own list.
"""
MADE = [(name, build(Maker(1))) for name, build in KEYS]
MADE += [(name, around.format(build(Maker(1)))) for name, around, build in NAMED]
AROUND = [
    "{}", "my key: {}, keep it", "看{}。", "(<{}>)", "line\n{}\nline", '"{}"\\', "C:\\{}", "a\\\\{}", "\t{}\u00a0",
    "É{}", "two {0} {0}", "{0},{0}", "x{}", "x_{}", "task-{}", "{}é", "{}\x00", "\u2028{}",
]  # fmt: skip
CODE = [
    "@property\ndef f(self): ...\n\n@app.route('/x')\ndef g(): ...", "git@github.com:org/repo.git",
    "q@k.transpose(-2, -1)", "clone\ngit@github.com:a/b", "react@18.2.0", "user@host", "sk-learn",
    "disk-" + token(32, "0123456789abcdef"), "data:image/png;base64," + token(5000) + "AIza" + token(35) + "==",
    "bearer of bad news 12345678901234567890", '{"Authorization": "Bearer opaque-token"}',
    "Authorization: Bearer opaque-token", "curl -H 'authorization:bearer abcdef'", "Bearer " + token(20),
    "\nBearer " + token(40), "Bearer abcdefghij5klmnopq", "bearer responsibilities2",
    f"-----BEGIN KEY-----\n{token(64)}\n-----END KEY-----", "-----BEGIN PRIVATE KEY----- is how it starts",
]  # fmt: skip


def glued(seed: int) -> str:
    """A text of random pieces, secrets and what looks like them among them."""
    pick = random.Random(seed)
    pieces = [secret for _, secret in SECRETS] + [
        "sk-",
        "@",
        ".",
        "-----",
        " ",
        "eyJ",
        "\n",
        '"',
        "\\",
        "é",
        ",",
        "git@a.io",
        "n",
    ]
    return "".join(pick.choices(pieces, k=pick.randint(1, 6)))


TEXTS = [around.format(text) for _, text in MADE for around in ("{}", "my key: {}, keep it")]
TEXTS += [around.format(secret) for _, secret in SECRETS for around in AROUND] + CODE
GLUED = [glued(number) for number in range(1000)]


def spans(values, key="text"):
    """A request with a span for each value."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, value in enumerate(values, start=1):
        span = scope.spans.add(trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="s")
        span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    return request


def through(collector, backend, values) -> list[str]:
    """What comes out of the collector for attributes with these values."""
    backend.clear()
    assert collector.post("/v1/traces", spans(values).SerializeToString())[0] == 200
    backend.wait_for(spans=len(values), timeout=60)
    out = {int(span.span_id, 16): span.attributes["text"] for span in backend.spans}
    return [out[number] for number in range(1, len(values) + 1)]


def test_plain_texts_are_redacted_as_in_the_application(collector, backend):
    """Every rule finds in the collector what it finds in the application, and leaves what it leaves."""
    plain = [text for text in TEXTS if "\\" not in text]
    out = through(collector, backend, plain)
    different = [(text, got) for text, got in zip(plain, out, strict=True) if got != redactor.text(text)]
    assert different == []


@pytest.mark.parametrize("encode", [json.dumps, codec.dumps], ids=["ascii", "utf-8"])
def test_texts_within_json_are_redacted_as_in_the_application(collector, backend, encode):
    """The same holds for what the collector sees of messages: their JSON.

    One thing is not found: an address with letters beyond ASCII that the sender wrote as escapes.
    """
    texts = [text for text in TEXTS if encode is codec.dumps or not re.search("[À-ɏ]", text)]
    out = through(collector, backend, [encode([{"content": text}]) for text in texts])
    decoded = [json.loads(got)[0]["content"] for got in out]
    different = [(text, got) for text, got in zip(texts, decoded, strict=True) if got != redactor.text(text)]
    assert different == []


def test_whatever_is_glued_together_json_stays_json_and_no_secret_stays(collector, backend):
    """Keys side by side, behind backslashes and quotes: what the application takes out is not there either."""
    out = through(collector, backend, [codec.dumps([{"content": text}]) for text in GLUED])
    decoded = [json.loads(got)[0]["content"] for got in out]
    left = [
        (text, got)
        for text, got in zip(GLUED, decoded, strict=True)
        if any(secret in got and secret not in redactor.text(text) for _, secret in SECRETS)
    ]
    assert left == []


def nested(value):
    """An OTLP value of any depth."""
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=k, value=nested(v)) for k, v in value.items()]))
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[nested(item) for item in value]))
    return AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)


def test_secrets_go_from_every_place_of_a_span(collector, backend):
    """Status, events, resource, structured messages, and attributes whose name says that they are secret."""
    request = spans(["clean"])
    group = request.resource_spans[0]
    span = group.scope_spans[0].spans[0]
    span.status.message = "no jane@example.com here"
    span.attributes.add(key="gen_ai.input.messages").value.CopyFrom(nested([{"content": "jane@example.com", "n": 1}]))
    span.attributes.add(key="http.request.header.authorization").value.string_value = "anything"
    span.attributes.add(key="db.password").value.int_value = 1234
    span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 5
    span.events.add(name="e").attributes.add(key="exception.message").value.string_value = "jane@example.com"
    group.resource.attributes.add(key="who").value.string_value = "jane@example.com"
    assert collector.post("/v1/traces", request.SerializeToString())[0] == 200
    backend.wait_for(spans=1, timeout=60)
    got = backend.spans[0]
    assert got.status_message == "no [REDACTED:email] here"
    assert json.loads(got.attributes["gen_ai.input.messages"]) == [{"content": "[REDACTED:email]", "n": 1}]
    assert got.events[0].attributes == {"exception.message": "[REDACTED:email]"}
    assert got.resource == {"who": "[REDACTED:email]"}
    rest = {key: value for key, value in got.attributes.items() if key != "gen_ai.input.messages"}
    assert rest == {
        "text": "clean",
        "http.request.header.authorization": "****",
        "db.password": "****",
        "gen_ai.usage.output_tokens": 5,
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("by jane@example.com", "by [REDACTED:email]"),
        ({"content": "jane@example.com", "n": 7}, {"content": "[REDACTED:email]", "n": 7}),
        ({"content": "nobody", "n": 2**60}, {"content": "nobody", "n": 2**60}),
        (None, None),
    ],
)
def test_secrets_go_from_attributes_and_body_of_a_log(collector, backend, body, expected):
    """A body stays what it is: a text, a structure, or nothing."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1)
    record.attributes.add(key="gen_ai.evaluation.explanation").value.string_value = "says jane@example.com"
    if body is not None:
        record.body.CopyFrom(nested(body))
    assert collector.post("/v1/logs", request.SerializeToString())[0] == 200
    backend.wait_for(logs=1, timeout=60)
    assert backend.logs[0].attributes == {"gen_ai.evaluation.explanation": "says [REDACTED:email]"}
    assert backend.logs[0].body == expected
