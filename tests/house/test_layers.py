"""The house of ARCHITECTURE.md, section "The house": who may import whom, and how large things may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import rlhf_otel

PACKAGE = Path(rlhf_otel.__file__).parent
FLOORS = {
    **dict.fromkeys(
        (
            "semconv",
            "records",
            "otel_records",
            "codec",
            "cells",
            "views",
            "hooks",
            "config",
            "setting_values",
            "app_context",
            "consents",
            "propagation",
            "totals",
            "handles",
            "keys",
            "parts",
            "steps",
            "token",
            "libraries",
            "environment_variables",
            "_version",
        ),
        0,
    ),
    **dict.fromkeys(("instrumentation", "feedback"), 1),
    **dict.fromkeys(("redact", "store"), 2),
    **dict.fromkeys(("export", "launcher", "testing", "web"), 3),
    "server": 4,
    "bridges": 4,
    "importers": 4,
    "datasets": 4,
    "cli": 5,
    "tui": 5,
    "__init__": 6,
    "api": 6,
}
"""Room -> floor. The face (`__init__` and `api`) joins the rooms and stands above them."""
ALLOWED_FLOORS = {0: {0}, 1: {0}, 2: {0}, 3: {0, 2, 3}, 4: {0, 2}, 5: {0, 1, 2, 3, 4, 5, 6}, 6: {0, 1, 2, 3}}
JOINERS = {
    ("launcher", "instrumentation"),
    ("__init__", "api"),
    ("web", "feedback"),
    ("server", "web"),
    ("__init__", "tui"),
}
"""The launcher joins delivery and capture, as the face does, which is two files; `web` is the verbs over HTTP."""
THIRD_PARTY = {
    0: set(),
    1: {"opentelemetry", "wrapt", "pydantic_core"},
    2: {"opentelemetry"},
    3: {"opentelemetry", "wrapt", "google", "grpc"},
    4: {"opentelemetry", "google", "grpc", "starlette", "uvicorn", "orjson", "zstandard", "jinja2", "pydantic_core"},
    5: {"click", "rich", "opentelemetry", "packaging", "textual"},
    6: set(),
}
MODULES = sorted(PACKAGE.rglob("*.py"))
STANDARD = set(__import__("sys").stdlib_module_names) | {"__future__", "tomllib", "tomli"}


def room_of(path: Path) -> str:
    """The room that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere in it, type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    """The rooms of this package that a file imports."""
    ours = (name.split(".")[1] for name in imports(path) if name.startswith("rlhf_otel."))
    return {room for room in ours if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").exists()}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    """A file imports its own room and rooms of the floors that its floor may stand on."""
    room = room_of(path)
    wrong = {
        other
        for other in rooms_imported(path) - {room}
        if FLOORS[other] not in ALLOWED_FLOORS[FLOORS[room]] and (room, other) not in JOINERS
    }
    assert not wrong, f"{room} (floor {FLOORS[room]}) imports {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_third_parties_stay_on_their_floor(path: Path) -> None:
    """A file imports only the third-party packages that its floor is allowed; no file imports a client library."""
    outside = {name.partition(".")[0] for name in imports(path)} - STANDARD - {"rlhf_otel"}
    assert outside <= THIRD_PARTY[FLOORS[room_of(path)]]


def test_the_table_names_every_room() -> None:
    """A new room has to be given a floor."""
    assert {room_of(path) for path in MODULES} == set(FLOORS)


def test_there_are_no_import_cycles() -> None:
    """No two modules import each other at their top level, by whatever way round."""
    graph = {module_name(path): top_level_imports(path) for path in MODULES}
    for name in graph:
        assert name not in reachable(graph, name), f"{name} imports itself by way of others"


def module_name(path: Path) -> str:
    """The dotted name of a file."""
    dotted = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


def top_level_imports(path: Path) -> set[str]:
    """The modules of this package that are imported when the file is, apart from its own package's `__init__`."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in names if is_module(name)}
            found |= modules or {node.module}
    return {name for name in found if name.startswith("rlhf_otel.")} - {module_name(path)}


def is_module(name: str) -> bool:
    """Whether a dotted name is a file or folder of the package."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """What `start` imports, directly or not."""
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return seen


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """No file is longer than 400 lines and no function longer than 60."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= 60 + docstring_lines(node), f"{node.name} has {lines} lines"


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function that are its documentation."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0
