"""Walks the installed client libraries, calls every method that returns what a model has made, and tells what came.

    python -m tests.coverage.walk

writes `docs/coverage.md`. `test_coverage.py` compares.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anthropic
import openai

from rlhf_otel import instrumentation, semconv
from rlhf_otel.instrumentation import batches
from rlhf_otel.testing import FakeLLM, capture

from . import calling, classes, finding

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
HEAD = """# What is recorded of openai and anthropic

This table is made by walking the installed libraries ({versions}), calling each method
below against a local server that speaks the providers' formats, and looking whether a span came of it.
`python -m tests.coverage.walk` writes it again. Each method has an asynchronous twin and the variants
`with_raw_response` and `with_streaming_response`, which are recorded alike.

A method is listed where its return annotation names a stream, a connection, a runner, raw bytes, or a type with a field
that answers of models have (`usage`, `choices`, `output`, `text`, ...); what only lists, changes or deletes is left
out. Priority 1 is what applications are made of, 2 is what else a model answers, 3 is the rest.

| method | priority | recorded | operation of the span |
|---|---|---|---|
"""
TAIL = """
Not listed, although the rule finds them, as no model has made what they return:

| method | what it returns |
|---|---|
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """What came of calling one method.

    Attributes:
        name: library and path.
        operations: of the spans that came.
        error: what the call raised, where it failed.
    """

    name: str
    operations: tuple[str, ...]
    error: BaseException | None

    @property
    def priority(self) -> int:
        """1 to 3."""
        return classes.priority(self.name)

    @property
    def cells(self) -> str:
        """As a row of the table."""
        covered = "yes" if self.operations else "no"
        return f"| {self.name} | {self.priority} | {covered} | {', '.join(self.operations)} |"


def walk() -> tuple[Sequence[Row], Sequence[str]]:
    """A row for each method, and the names of those that are excluded, in the order of their names."""
    rows, excluded = [], []
    with FakeLLM() as llm, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, of methods that will leave them
        for client in _clients(llm):
            ids = _prepared(client)
            for found in finding.methods(client):
                if found.name in classes.EXCLUDED:
                    excluded.append(found.name)
                else:
                    rows.append(_called(found, ids))
            client.close()
    return sorted(rows, key=lambda row: (row.priority, row.name)), sorted(excluded)


def page(rows: Sequence[Row], excluded: Sequence[str]) -> str:
    """The page of the documentation."""
    table = "".join(f"{row.cells}\n" for row in rows)
    left_out = "".join(f"| {name} | {classes.EXCLUDED[name]} |\n" for name in excluded)
    return HEAD.format(versions=versions()) + table + TAIL + left_out


def versions() -> str:
    """Which libraries are installed."""
    return f"openai {openai.__version__}, anthropic {anthropic.__version__}"


def _clients(llm: FakeLLM) -> Iterator[Any]:
    yield openai.OpenAI(base_url=llm.openai_url, api_key="k", admin_api_key="k", max_retries=0)
    yield anthropic.Anthropic(base_url=llm.anthropic_url, api_key="k", max_retries=0)


def _prepared(client: Any) -> Mapping[str, str]:
    """Makes what some methods ask for, unrecorded; the ids by the names of the parameters."""
    if isinstance(client, anthropic.Anthropic):
        return {"message_batch_id": client.messages.batches.create(requests=calling.GIVEN["requests"]).id}
    body = {"model": "model-1", "messages": calling.QUESTION}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(file=("a.jsonl", json.dumps(line).encode()), purpose="batch").id
    batch = client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h").id
    answers = client.batches.retrieve(batch).output_file_id
    response = client.responses.create(model="model-1", input="Hi").id
    return {"batch_id": batch, "input_file_id": file, "file_id": answers, "response_id": response}


def _called(found: finding.Found, ids: Mapping[str, str]) -> Row:
    """What came of the method, called in each of its ways; one that leaves no span counts as none at all."""
    error: BaseException | None = None
    operations: set[str] = set()
    for more in calling.variants(found):
        batches.memory = batches.Memory()  # each answer is recorded once in a process, and here by each method
        with capture() as kept:
            instrumentation.switch_on()
            try:
                calling.use(found, found.method(**calling.arguments(found, ids), **more))
            except Exception as raised:
                error = raised
            instrumentation.switch_off()
            came = {str((span.attributes or {})[semconv.OPERATION_NAME]) for span in kept.spans}
        if not came:
            return Row(found.name, (), error)
        operations |= came
    return Row(found.name, tuple(sorted(operations)), error)


if __name__ == "__main__":
    PAGE.write_text(page(*walk()), encoding="utf-8")
