"""What an application pays for importing us, and what it gets."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, entry_points

import rlhf_otel
from rlhf_otel import libraries

HEAVY = {
    "openai", "anthropic", "torch", "numpy", "pandas", "sklearn", "pydantic", "rich", "click", "grpc", "requests",
    "sqlite3", "asyncio", "opentelemetry", "wrapt", "google", "httpx", "httpx2",
}  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `statement`."""
    code = f"import sys\n{statement}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import rlhf_otel` loads no client library, no OpenTelemetry, no database and no asyncio."""
    assert not HEAVY & loaded_by("import rlhf_otel")


def test_the_feedback_verbs_load_no_client_library_and_no_sdk() -> None:
    """The API that request handlers import is as light."""
    assert not (HEAVY - {"opentelemetry"}) & loaded_by("from rlhf_otel import feedback, context, handle, last")


def test_instrumenting_imports_no_client_library() -> None:
    """`instrument()` waits for the application to import its client library, and loads no exporter and no database
    before a span.
    """
    code = "import rlhf_otel; rlhf_otel.instrument()"
    assert not {"openai", "anthropic", "grpc", "requests", "rich", "click", "sqlite3"} & loaded_by(code)


def test_every_public_name_is_there() -> None:
    """Each name in `__all__` resolves, and `dir` shows exactly those."""
    assert [name for name in rlhf_otel.__all__ if getattr(rlhf_otel, name, None) is None] == []
    assert dir(rlhf_otel) == sorted(rlhf_otel.__all__)


def test_the_public_names_are_pinned() -> None:
    """A public name comes or goes only together with this list."""
    assert sorted(rlhf_otel.__all__) == [
        "Drop", "Feedback", "Handle", "Interaction", "__version__", "add_processor", "baggage", "capture", "clear",
        "collect_context", "consent", "context", "current", "disable", "enable", "feedback", "flush", "handle",
        "instrument",
        "interactions", "last", "on", "opt_in", "opt_out", "shutdown", "stats", "uninstrument",
    ]  # fmt: skip


def test_the_official_launcher_finds_our_instrumentors() -> None:
    """Each library's is published under a name of our own, and the class it points to is for that library."""
    ours = {point.name: point for point in entry_points(group="opentelemetry_instrumentor") if "rlhf_" in point.name}
    assert set(ours) == {f"rlhf_{libraries.flat(package)}" for package in libraries.BUILT_IN}
    assert {point.load().package for point in ours.values()} == set(libraries.BUILT_IN)


def test_installing_us_hijacks_no_other_distribution() -> None:
    """There is no distro and no configurator of ours, and no extra that the official launcher would misread."""
    package = distribution("rlhf-otel")
    assert not [p for p in package.entry_points if p.group in ("opentelemetry_distro", "opentelemetry_configurator")]
    assert "instruments" not in (package.metadata.get_all("Provides-Extra") or ())
