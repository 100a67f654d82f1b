"""Every reader of every provider breaks, one kind after the other, and the application sees the same.

The readers are found by walking the provider modules, so that a new one is broken here too. Libraries that are not
installed for these tests are broken in `tests/libraries`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

from rlhf_otel import hooks, instrumentation
from rlhf_otel.instrumentation import providers

from . import contract_anthropic, contract_openai, contract_responses
from .contract import Case, is_newest
from .shapes import shown

MODULES = [
    importlib.import_module(f"{providers.__name__}.{found.name}") for found in pkgutil.iter_modules(providers.__path__)
]


def _classes() -> list[type]:
    """The readers of endpoints, and the providers, whatever library they are for."""
    found = [
        cls
        for module in MODULES
        for cls in vars(module).values()
        if inspect.isclass(cls) and cls.__module__ == module.__name__
    ]
    return [cls for cls in found if hasattr(cls, "operation") or hasattr(cls, "endpoint")]


def _readers(cls: type) -> list[str]:
    return [name for name, held in vars(cls).items() if inspect.isfunction(held) and not name.startswith("_")]


CLASSES = _classes()
READERS = sorted({name for cls in CLASSES for name in _readers(cls)})


def _one_of_each() -> list[Case]:
    """One case for each method and way of calling it."""
    cases = [*contract_openai.CASES, *contract_responses.CASES, *contract_anthropic.CASES]
    return list({(case.path, case.way): case for case in cases}.values())


def broken(*_: Any, **__: Any) -> Any:
    """What all readers are replaced by."""
    raise ZeroDivisionError("ours")


def break_readers(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Has all readers of these names raise, whatever endpoint they are of."""
    for cls in CLASSES:
        for name in names:
            if name in vars(cls):
                monkeypatch.setattr(cls, name, broken)


def test_the_walk_finds_the_readers() -> None:
    """The readers of both libraries are among those that are found."""
    assert {"Chat", "Responses", "Messages", "OpenAI", "Anthropic", "Embeddings"} <= {cls.__name__ for cls in CLASSES}
    assert {"request", "response", "chunk", "end", "new_state", "endpoint", "name_of"} <= set(READERS)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("name", READERS)
def test_no_reader_harms_the_application(name, kind, clients, llm, run, lenient, monkeypatch) -> None:
    """All readers of one kind break; every method in every way of calling it gives what it gives without us."""
    faults = hooks.counters["faults"]

    def seen() -> list[Any]:
        made = []
        for case in _one_of_each():
            if (method := case.method(clients[case.sdk, kind])) is not None:
                llm.script(case.talk.reply)
                try:
                    made.append(run(kind, case.way(method, case.ask)))
                except Exception as error:  # a version that does not know an argument, or cannot read such an answer
                    assert not is_newest(case.sdk)
                    made.append(shown(error))
                    llm.clear()
        return made

    instrumentation.switch_off()
    bare = seen()
    assert hooks.counters["faults"] == faults
    instrumentation.switch_on()
    break_readers(monkeypatch, name)
    assert seen() == bare
    if name in ("request", "response", "chunk", "end", "new_state", "endpoint", "name_of"):
        assert hooks.counters["faults"] > faults
