"""Other OpenTelemetry instrumentations under our launcher: on as ever, except those that would count a call twice."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from rlhf_otel.launcher.entry_points import entry_points
from rlhf_otel.launcher.instrumentors import INSTRUMENTOR, library

# An instrumentor that says so; as other people's modules do, it imports the library that it is for.
LOUD = """
import {library}
class Loud:
    def instrument(self, **kwargs): print("on: {library}", kwargs)
"""
PROVIDER = "from opentelemetry import trace; print(type(trace.get_tracer_provider()).__name__)"


def group(**points: str) -> str:
    """The text of an entry_points.txt with instrumentors."""
    return f"[{INSTRUMENTOR}]\n" + "\n".join(f"{name} = {value}" for name, value in points.items())


def test_installed_instrumentations_are_activated(launch):
    """An instrumentation that is installed beside us is switched on before the application's first line."""
    code = (
        "from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor as H\n"
        "print(H().is_instrumented_by_opentelemetry)"
    )
    assert launch.python(code).stdout == "True\n"


def test_disabled_instrumentations_stay_off(launch):
    """`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` holds, with blanks around its names."""
    done = launch.python(
        "import sys; print('httpx2' in sys.modules)", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="httpx , httpx2"
    )
    assert done.stdout == "False\n"


def test_they_write_to_the_global_provider(launch):
    """An active instrumentation gets a real global provider, an application without one is left its own choice."""
    assert launch.python(PROVIDER).stdout == "TracerProvider\n"
    alone = launch.python(PROVIDER, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="httpx,httpx2")
    assert alone.stdout == "ProxyTracerProvider\n"


def test_an_endpoint_makes_the_provider_global(launch):
    """With an endpoint the application's own spans have somewhere to go as well."""
    done = launch.python(
        PROVIDER, "--endpoint", "http://127.0.0.1:9", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="httpx,httpx2"
    )
    assert done.stdout == "TracerProvider\n"


@pytest.mark.parametrize("module", ["openai_v2", "openai", "anthropic"])
def test_twins_of_our_own_are_skipped(launch, module):
    """Another instrumentation of a client library that we record stays off and is not imported."""
    site = launch.install(
        "twin", group(**{module: f"{module}_twin:Loud"}), **{f"{module}_twin": LOUD.format(library="openai")}
    )
    nested = launch.install("nested", group(llm=f"vendor.{module}:Loud"))
    done = launch.python("import sys; print('openai' in sys.modules)", PYTHONPATH=f"{site}:{nested}")
    assert done.stdout == "False\n", done.stderr


def test_a_twin_is_wanted_where_ours_is_disabled(launch):
    """Who disables our instrumentor gets the other one, and ours does not patch."""
    site = launch.install("twin", group(openai="twin:Loud"), twin=LOUD.format(library="colorsys"))
    code = "import openai; from rlhf_otel.instrumentation import patched_packages as p; print(*p())"
    done = launch.python(code, PYTHONPATH=site, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="rlhf_openai")
    assert done.stdout == "on: colorsys {'skip_dep_check': True}\n\n", done.stderr


def test_a_failing_instrumentation_costs_a_line(launch):
    """One that raises is named on stderr; the others, our recording and the application go on."""
    text = group(bad="bad:Bad", missing="missing_module:X", good="good:Loud")
    bad = "class Bad:\n    def instrument(self, **kwargs): raise RuntimeError('broken')\n"
    site = launch.install("mixed", text, bad=bad, good=LOUD.format(library="colorsys"))
    code = "import openai; from rlhf_otel.instrumentation import patched_packages as p; print(*p())"
    done = launch.python(code, PYTHONPATH=site)
    assert done.stdout == "on: colorsys {'skip_dep_check': True}\nopenai\n"
    assert "opentelemetry_instrumentor bad failed: RuntimeError: broken" in done.stderr
    assert "missing" not in done.stderr


def test_hooks_run_before_and_after(launch):
    """The groups for hooks before and after the instrumentations are honoured, in this order."""
    text = (
        "[opentelemetry_post_instrument]\nz = hooks:after\n[opentelemetry_pre_instrument]\na = hooks:before\n"
        + group(good="good:Loud")
    )  # fmt: skip
    hooks = "def before(): print('before')\ndef after(): print('after')\n"
    site = launch.install("hooked", text, hooks=hooks, good=LOUD.format(library="colorsys"))
    words = [line.partition(":")[0] for line in launch.python("", PYTHONPATH=site).stdout.splitlines()]
    assert words == ["before", "on", "after"]


DISTRO = """
class Distro:
    def configure(self): print("distro")
    def load_instrumentor(self, point, **kwargs): print("through the distro:", point.name)
class Configurator:
    def configure(self, **kwargs):
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        class Theirs(TracerProvider): pass
        trace.set_tracer_provider(Theirs())
"""
DISTRO_POINTS = (
    "[opentelemetry_distro]\nvendor = vendor:Distro\n[opentelemetry_configurator]\nvendor = vendor:Configurator\n"
)


def test_a_distribution_that_is_named_sets_up_the_sdk(launch):
    """Named by OTEL_PYTHON_DISTRO, a distribution configures the SDK and loads the instrumentations."""
    site = launch.install("vendor", DISTRO_POINTS, vendor=DISTRO)
    done = launch.python(
        PROVIDER, PYTHONPATH=site, OTEL_PYTHON_DISTRO="vendor", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="httpx"
    )
    assert done.stdout == "distro\nthrough the distro: httpx2\nTheirs\n", done.stderr


def test_a_distribution_that_is_not_named_is_left_alone(launch):
    """That a distribution is installed does not mean that anybody asked for it."""
    site = launch.install("vendor", DISTRO_POINTS, vendor=DISTRO)
    assert launch.python(PROVIDER, PYTHONPATH=site).stdout == "TracerProvider\n"


def test_a_distribution_that_is_missing_costs_a_line(launch):
    """A name that nothing installed goes by is told, and our own set-up takes its place."""
    done = launch.python(PROVIDER, OTEL_PYTHON_CONFIGURATOR="nobody")
    assert done.stdout == "TracerProvider\n"
    assert "configurator 'nobody' is asked for but not installed" in done.stderr


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor", "openai"),
        ("opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor", "anthropic"),
        ("openinference.instrumentation.openai:OpenAIInstrumentor", "openai"),
        ("opentelemetry.instrumentation.openai_agents:OpenAIAgentsInstrumentor", "openai_agents"),
        ("opentelemetry.instrumentation.httpx:HTTPXClientInstrumentor", "httpx"),
    ],
)
def test_the_library_of_an_instrumentation_is_read_from_its_module(value, expected):
    """Every vendor's module name ends in the library that it instruments, with a version at most."""
    assert library(EntryPoint("x", value, INSTRUMENTOR)) == expected


def test_entry_points_are_found_without_our_own(tmp_path, monkeypatch):
    """The scan finds what `importlib.metadata` finds in the group, less ours; the first of a name on the path wins."""
    from importlib.metadata import entry_points as all_entry_points

    found = {(point.name, point.value) for point in entry_points(INSTRUMENTOR)}
    expected = {(point.name, point.value) for point in all_entry_points(group=INSTRUMENTOR)}
    assert found == {(name, value) for name, value in expected if not name.startswith("rlhf_")}
    for folder, value in (("a", "first:X"), ("b", "second:X")):
        place = tmp_path / folder / "some_dist-1.dist-info"
        place.mkdir(parents=True)
        (place / "entry_points.txt").write_text(group(x=value))
    monkeypatch.setattr("sys.path", [str(tmp_path / "a"), str(tmp_path / "nothing"), str(tmp_path / "b")])
    assert [point.value for point in entry_points(INSTRUMENTOR)] == ["first:X"]
    assert entry_points("another_group") == []
