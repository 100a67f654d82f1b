"""The documentation says what there is, and what it says works."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlhf_otel
from rlhf_otel import config, libraries, semconv, views
from rlhf_otel.cli.main import COMMANDS
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.testing import FakeCollector, FakeLLM

ROOT = Path(rlhf_otel.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
APP = """
import openai
answer = openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
print(answer.choices[0].message.content)
"""
NOT_RUN = ("make", "pip")
"""These would run this very test, or install what is under test."""


def doc(name: str) -> str:
    """The text of a page."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def typed_commands(text: str) -> list[str]:
    """What a reader would type, without the comments."""
    lines = (line for block in blocks(text, "console") for line in block.splitlines())
    return [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLLM]:
    """A folder with an application in it, and a provider for it to call."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with FakeLLM() as llm:
        for name, value in {"OPENAI_BASE_URL": llm.openai_url, "OPENAI_API_KEY": "none"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield llm


def test_every_setting_is_documented() -> None:
    """The table of settings is the one that the code holds."""
    spec = importlib.util.spec_from_file_location("settings_table", ROOT / "docs" / "settings_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.table() in doc("settings.md")
    assert all(setting.env in doc("settings.md") for setting in config.SETTINGS)


def test_every_command_is_documented() -> None:
    """Each subcommand has a row in the README."""
    assert [name for name in COMMANDS if f"`rlhf-otel {name}" not in README] == []


def test_every_client_library_is_documented() -> None:
    """Each library that is instrumented has a row in `libraries.md`, and no other has one."""
    rows = re.findall(r"^\| `([\w.]+)` \|", doc("libraries.md"), flags=re.MULTILINE)
    assert sorted(rows) == sorted(libraries.BUILT_IN)


def test_every_name_on_the_wire_is_documented() -> None:
    """Each attribute, event and metric that the code can write stands in `wire.md`."""
    page = doc("wire.md")
    names = {value for key, value in vars(semconv).items() if key.isupper() and isinstance(value, str)}
    names |= set(semconv.NEXT_METRIC_NAMES.values())
    missing = {name for name in names - {semconv.SCHEMA_URL} if f"{name}`" not in page and f"{name}*`" not in page}
    assert missing - {semconv.HTTP_RESPONSE_HEADER} == set()


def test_everything_of_the_web_component_is_documented() -> None:
    """Each attribute, text, mark, part and property that the script knows stands in `widget.md`."""
    script = (ROOT / "rlhf_otel/web/static/feedback.js").read_text(encoding="utf-8")
    page = doc("widget.md")
    attributes = set(re.findall(r'(?:option\(\w+, |#list\(|getAttribute\()"([\w-]+)"', script)) - {"text-", "data-"}
    told = re.findall(
        r"^\| ((?:`[\w-]+`(?:, )?)+) \|",
        page[page.index("## Attri") : page.index("## What people")],
        flags=re.MULTILINE,
    )
    texts = {
        f"text-{word}" for word in re.findall(r'(\w+): "', script[script.index("const TEXTS") :].partition("};")[0])
    }
    assert set(re.findall(r"`([\w-]+)`", "".join(told))) == attributes | texts
    marks = {f"data-rlhf-{word}" for word in re.findall(r"data-rlhf-(\w+)", script)}
    styles = set(re.findall(r"--rlhf-\w+", script)) | {f"`{part}`" for part in re.findall(r'part: "(\w+)"', script)}
    context = {f"`{word}`" for word in re.findall(r'^  "?([\w-]+)"?: \(\) =>', script, flags=re.MULTILINE)}
    assert [name for name in marks | styles | context if name not in page] == []


def test_every_public_name_is_documented() -> None:
    """Each public name of the package stands in `python.md`."""
    page = doc("python.md")
    assert [name for name in rlhf_otel.__all__ if f"rlhf.{name}" not in page and name != "__version__"] == []


def test_every_key_of_the_json_is_documented() -> None:
    """Each key that `--json` prints of a call and of feedback stands in `json.md`, and that has no other."""
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", doc("json.md"), flags=re.MULTILINE))))
    call = Interaction(trace_id="", span_id="", start_ns=0, end_ns=0, operation="chat", provider="openai")
    given = Feedback(
        id="", name="", kind="rating", time_ns=0, scale=(1, 5), correction="", signal="copy", step=0, range=(0, 1),
        quote="", chosen="", rejected="", margin=1, position="first", ranking=("",),
        retracts="",
    )  # fmt: skip
    assert told == {*views.interaction_json(call), *views.feedback_json(given)}


def test_every_page_is_linked_and_every_link_leads_somewhere() -> None:
    """The README leads to every page, and no link on any page is broken."""
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert [page for page in pages if page not in README] == []
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("page", ["README.md", "docs/feedback.md"])
def test_the_commands_of_the_documentation_work(page: str, provider: FakeLLM) -> None:
    """Everything that a page tells its reader to type exits with 0, in the order of the page."""
    subprocess.run(["rlhf-otel-instrument", "python", "app.py"], check=True, capture_output=True)
    with FakeCollector() as collector:
        for command in typed_commands((ROOT / page).read_text(encoding="utf-8")):
            if command.startswith(NOT_RUN):
                continue
            typed = command.replace("http://localhost:4318", collector.http_url)
            ended = subprocess.run(shlex.split(typed), capture_output=True, text=True, check=False)
            assert ended.returncode == 0, f"{command}: {ended.stderr}"
        if "--endpoint" in (ROOT / page).read_text(encoding="utf-8"):
            spans = [span.name for span in collector.spans if semconv.OPERATION_NAME in span.attributes]
            assert spans == ["chat m"]


def test_the_make_targets_of_the_readme_exist() -> None:
    """`make -n` knows each target that the README names."""
    for command in typed_commands(README):
        if command.startswith("make"):
            ended = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "page", ["README.md", "docs/python.md", "docs/datasets.md", "docs/feedback.md", "docs/servers.md"]
)
def test_the_python_of_the_documentation_runs(page: str, provider: FakeLLM) -> None:
    """The Python blocks of a page run one after the other, with recording on and our faults raised."""
    start = "import rlhf_otel as rlhf, rlhf_otel.hooks as hooks\nrlhf.instrument()\nhooks.strict = True\n"
    code = start + "\n".join(blocks((ROOT / page).read_text(encoding="utf-8"), "python"))
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""


def test_every_test_that_security_names_is_there() -> None:
    """Each line of the threat model and of the checklists is shown by what it says it is shown by."""
    page, file = (ROOT / "SECURITY.md").read_text(encoding="utf-8"), ""
    named = re.findall(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`", page)
    assert len(named) > 50
    for path, test in named:
        file = path or file
        if path or test:
            text = (ROOT / file).read_text(encoding="utf-8")
            assert not test or f"def {test}(" in text, f"{file} has no {test}"
