"""`rlhf-otel demo`: a provider, an application, a person with opinions, and what one sees of it afterwards."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rlhf_otel.cli.common import console, examples, store_option

if TYPE_CHECKING:
    from rlhf_otel.records import Interaction
    from rlhf_otel.testing import FakeLLM


WHAT_NEXT = (
    "rlhf-otel show SPAN_ID",
    "rlhf-otel feedback SPAN_ID down -m 'too long'",
    "rlhf-otel traces --json",
    "rlhf-otel-instrument python your_app.py",
    "rlhf-otel doctor",
)


@click.command(
    "demo",
    epilog=examples(
        "rlhf-otel demo",
        "rlhf-otel demo --data conversations.jsonl",
        "OPENAI_API_KEY=... ANTHROPIC_API_KEY=... rlhf-otel demo --live",
    ),
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Replay the conversations, answers and feedback of a JSONL file (see below), and find every word again.",
)
@click.option("--live", is_flag=True, help="Ask the real providers, with the keys in the environment.")
@store_option  # fmt: skip
def demo(data: Path | None, live: bool, store: str | None) -> int:
    """See the whole thing work: no key, no network, about ten seconds.

    Starts a local server that speaks the wire formats of OpenAI and Anthropic, runs an application that knows nothing
    of rlhf-otel under `rlhf-otel-instrument`, attaches feedback to its calls by span id, and shows what was recorded.

    A line of --data, where only a question and an answer are needed:

    \b
      {"prompt": "Hi", "response": "Hello!", "feedback": [{"value": 4, "scale": [1, 5], "rater": "u1"}]}
      {"messages": [{"role": "user", "content": "Hi"}], "chosen": "Hello!", "rejected": "What?"}
      {"prompt": "Hi", "responses": ["Hello!", "What?"], "preferences": [{"chosen": 0, "rejected": 1}]}
    """
    from rlhf_otel import config

    need_client_libraries()
    path = str(store or config.load().store or config.DEFAULT_STORE)
    started_ns = time.time_ns()
    if data is not None:
        from rlhf_otel.cli.demo.replay import replay

        return replay(data, path)
    if live:
        need_keys()
        run_application("chat.py", path)
    else:
        with provider() as llm:
            heading(f"A model that speaks both wire formats listens at {llm.openai_url.removesuffix('/v1')}")
            run_application("chat.py", path, environment_of(llm))
    heading("People say what they think of the answers, by span id")
    give_feedback(path, begun_since=started_ns)
    heading("What was recorded", "rlhf-otel traces")
    show_table(path)
    show_what_next()
    return 0


def need_client_libraries() -> None:
    """Refuses to start without the two client libraries.

    Raises:
        click.ClickException: one is missing; the message says how to get it.
    """
    from importlib.util import find_spec

    missing = [name for name in ("openai", "anthropic") if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"the demo's application needs {' and '.join(missing)}: pip install openai anthropic"
        )


def need_keys() -> None:
    """Refuses to go live without keys.

    Raises:
        click.UsageError: a key is missing.
    """
    missing = [name for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY") if not os.environ.get(name)]
    if missing:
        raise click.UsageError(f"--live asks the real providers: set {' and '.join(missing)}")


@contextmanager
def provider() -> Iterator[FakeLLM]:
    """The demo's model."""
    from rlhf_otel.cli.demo.script import Script
    from rlhf_otel.testing import FakeLLM

    with FakeLLM(responder=Script()) as llm:
        yield llm


def environment_of(llm: FakeLLM) -> dict[str, str]:
    """What points any application to `llm`."""
    return {"OPENAI_BASE_URL": llm.openai_url, "OPENAI_API_KEY": "none-needed",
            "ANTHROPIC_BASE_URL": llm.anthropic_url, "ANTHROPIC_API_KEY": "none-needed"}  # fmt: skip


def run_application(
    name: str,
    store: str,
    environment: dict[str, str] | None = None,
    *,
    options: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> None:
    """Runs one of the example applications under the launcher.

    Raises:
        click.ClickException: it failed.
    """
    heading(
        "An application that knows nothing of us runs", " ".join(["rlhf-otel-instrument", *options, "python", name])
    )
    launcher = [sys.executable, "-m", "rlhf_otel.launcher.command", "--store", store, *options]
    ended = subprocess.run(
        [*launcher, sys.executable, str(application(name)), *arguments],
        env={**os.environ, **(environment or {})},
        check=False,
    )
    if ended.returncode != 0:
        raise click.ClickException(f"{name} ended with exit code {ended.returncode}; `rlhf-otel doctor` may know why")


def application(name: str) -> Path:
    """Where an example application is: beside this file in a wheel, in `examples` in a checkout."""
    installed = Path(__file__).with_name("apps") / name
    return installed if installed.exists() else Path(__file__).parents[3] / "examples" / name


def give_feedback(store: str, begun_since: int) -> None:
    """A thumb, a rating, a correction and a preference, as four different people would give them."""
    from rlhf_otel import feedback

    with recording(store), reading_since(store, begun_since) as calls:
        basil, litre, _, _, haiku, bakery, other_bakery, *_ = calls
        feedback.record(span_id=basil.span_id, value=True, rater="ana")
        told(f"rlhf-otel feedback {basil.span_id} up --rater ana")
        feedback.record(span_id=haiku.span_id, value=4, scale=(1, 5), comment="lovely last line", rater="ben")
        told(f"rlhf-otel feedback {haiku.span_id} 4/5 -m 'lovely last line' --rater ben")
        right = "The water: a litre of it weighs about 1000 g, a litre of oil about 920 g."
        feedback.record(span_id=litre.span_id, value=False, rater="chi")
        feedback.correct(litre.span_id, right, rater="chi")
        told(f"rlhf-otel feedback {litre.span_id} down --correction '{right[:38]}...' --rater chi")
        feedback.prefer(chosen=bakery.span_id, rejected=other_bakery.span_id, margin=2, rater="dee")
        told(f"feedback.prefer(chosen='{bakery.span_id}', rejected='{other_bakery.span_id}')", sign=">>>")


@contextmanager
def recording(store: str, **settings: object) -> Iterator[None]:
    """Sends feedback where the application's calls went, and delivers it at the end."""
    from rlhf_otel import config, hooks
    from rlhf_otel.export import setup

    hooks.strict = True
    setup.configure(config.load({"store": store, **settings}))
    yield
    if not setup.shutdown(timeout=10.0):
        raise click.ClickException("the feedback was not taken within 10 seconds; see `rlhf-otel doctor`")


@contextmanager
def reading_since(store: str, start_ns: int) -> Iterator[Sequence[Interaction]]:
    """The calls of this demo, in their order."""
    from rlhf_otel.store import Store

    with Store.open(store, read_only=True) as opened:
        yield list(opened.interactions(since_ns=start_ns, newest_first=False))


def show_table(store: str) -> None:
    """The same table as `rlhf-otel traces`."""
    from rlhf_otel.cli.traces import command as traces

    traces.main(["--store", store, "--limit", "9"], standalone_mode=False)


def heading(text: str, command: str | None = None) -> None:
    """One step of the demo."""
    from rich.text import Text

    console().print(Text.assemble("\n", ("●", "green"), f" {text}", style="bold"))
    if command:
        told(command)


def told(command: str, sign: str = "$") -> None:
    """A command as one would type it."""
    from rich.text import Text

    console().print(Text.assemble(("  ", ""), (sign, "dim"), f" {command}"), soft_wrap=True)


def show_what_next() -> None:
    """What to type after the demo."""
    heading("Next")
    if shutil.which("rlhf-otel") is None:
        told(f"{how_to_find_the_commands()}    # rlhf-otel is not on your PATH yet")
    for command in WHAT_NEXT:
        told(command)


def how_to_find_the_commands() -> str:
    """What brings the commands onto the PATH of this shell."""
    folder = Path(sys.executable).parent
    if (folder / "activate").exists():
        inside = folder.is_relative_to(Path.cwd())
        return f"source {shlex.quote(str((folder.relative_to(Path.cwd()) if inside else folder) / 'activate'))}"
    return f'export PATH={shlex.quote(str(folder))}:"$PATH"'
