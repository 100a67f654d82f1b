"""The child's half: what an application notices of us (nothing), and what is ready when it needs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from rlhf_otel.launcher.command import SITE
from rlhf_otel.launcher.imports import when_first_imported

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
ALONE = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx,httpx2"}


def test_nothing_heavy_is_imported_before_the_application_does(launch):
    """Where no other instrumentation is active, the application's first line finds no SDK and no OpenTelemetry."""
    done = launch.python("import sys, json; print(json.dumps(list(sys.modules)))", **ALONE)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    heavy = {"openai", "anthropic", "httpx", "httpx2", "opentelemetry", "wrapt", "asyncio", "click", "rich", "pydantic"}
    assert not heavy & loaded
    assert "rlhf_otel" in loaded


def test_client_libraries_are_patched_when_they_are_imported(launch):
    """Each client library is patched by the time its import returns, and not before the application asks for it."""
    code = (
        "import sys, openai\n"
        "from rlhf_otel.instrumentation import patched_packages\n"
        "print(*patched_packages(), 'anthropic' in sys.modules, type(openai.__spec__.loader).__name__)\n"
        "import anthropic\n"
        "print(*patched_packages())\n"
    )
    done = launch.python(code, **ALONE)
    assert done.stdout == "openai False SourceFileLoader\nopenai anthropic\n", done.stderr


def test_feedback_can_be_given_before_any_client_library_is_there(launch):
    """The feedback verbs work in a process that was launched and has imported no client library."""
    code = (
        "import rlhf_otel\n"
        "ref = rlhf_otel.feedback.record(span_id='00f067aa0ba902b7', value=True)\n"
        "print(ref.status, rlhf_otel.flush(timeout=10))\n"
    )
    done = launch.python(code, **ALONE)
    assert done.stdout == "pending True\n", done.stderr
    assert (launch.folder / ".rlhf-otel" / "store.db").exists()


@pytest.mark.parametrize("variables", [{"OTEL_SDK_DISABLED": "true"}, {"RLHF_OTEL_ENABLED": "false"}])
def test_nothing_happens_where_recording_is_off(launch, variables):
    """Switched off, we patch nothing, activate nothing and leave no file."""
    code = "import sys, openai; print('rlhf_otel.instrumentation' in sys.modules, 'wrapt' in sys.modules)"
    done = launch.python(code, **variables)
    assert done.stdout == "False False\n", done.stderr
    assert not (launch.folder / ".rlhf-otel").exists()


def test_paths_of_the_application_are_as_without_us(launch):
    """`sys.path` is what it was, PYTHONPATH is kept, and our folder stays in it for the processes that are started."""
    code = "import sys, os; print([p for p in sys.path if 'launcher' in p], os.environ['PYTHONPATH'])"
    done = launch.python(code, PYTHONPATH="/one")
    assert done.stdout.startswith("[] ")
    assert done.stdout.strip().endswith(f"{os.sep}site{os.pathsep}/one")


def test_processes_of_the_application_are_recorded_too(launch):
    """A Python that the application starts, also by multiprocessing, has recording switched on."""
    app = launch.write(
        "app.py",
        "import multiprocessing, subprocess, sys\n"
        "code = \"import sys; print('rlhf_otel.launcher.child' in sys.modules)\"\n"
        "def work(): exec(code)\n"
        "if __name__ == '__main__':\n"
        "    print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip())\n"
        "    sys.stdout.flush()\n"
        "    process = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    process.start(); process.join()\n",
    )
    assert launch(sys.executable, str(app), **ALONE).stdout == "True\nTrue\n"


def test_an_existing_sitecustomize_still_runs(launch):
    """The sitecustomize that Python would have found is run, and is what `import sitecustomize` gives."""
    other = launch.write("site/sitecustomize.py", "import os\nos.environ['SEEN'] = 'yes'\nNAME = 'the other'\n").parent
    code = "import os, sitecustomize; print(os.environ['SEEN'], sitecustomize.NAME)"
    assert launch.python(code, PYTHONPATH=str(other)).stdout == "yes the other\n"


def test_a_broken_sitecustomize_is_reported_by_python_and_keeps_nobody_from_working(launch):
    """What the other sitecustomize raises, Python reports as without us; recording is on all the same."""
    other = launch.write("site/sitecustomize.py", "raise RuntimeError('theirs')\n").parent
    done = launch.python("import sys; print('rlhf_otel.launcher.child' in sys.modules)", PYTHONPATH=str(other))
    assert done.stdout == "True\n"
    assert "Error in sitecustomize" in done.stderr
    assert "theirs" in done.stderr


def test_a_python_without_us_costs_one_line(launch):
    """A Python that cannot import rlhf_otel runs its program and says once that it records nothing."""
    broken = launch.write("broken/rlhf_otel/__init__.py", "raise ImportError('not here')\n").parent.parent
    code = "import sys; sys.stdout.write('ran')"
    environ = {"PYTHONPATH": os.pathsep.join([SITE, str(broken)])}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**launch.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "ran"
    assert done.stderr.count("\n") == 1
    assert "not recording" in done.stderr


@posix
def test_sigterm_delivers_what_is_waiting_and_kills(launch):
    """On SIGTERM the feedback that was just given reaches the store, and the status is still that of the signal."""
    code = (
        "import os, signal, rlhf_otel\n"
        "rlhf_otel.feedback.record(span_id='00f067aa0ba902b7', value=True, id='kept')\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.pause()\n"
    )
    done = launch.python(code, **ALONE, OTEL_BLRP_SCHEDULE_DELAY="30000", OTEL_BSP_SCHEDULE_DELAY="30000")
    assert done.returncode == -signal.SIGTERM, done.stderr
    from rlhf_otel.store import Store

    with Store.open(launch.folder / ".rlhf-otel" / "store.db", read_only=True) as store:
        assert [one.id for one in store.pending()] == ["kept"]


@posix
def test_a_handler_of_the_application_is_left_alone(launch):
    """A SIGTERM handler that was there first stays, and one that the application sets replaces ours."""
    other = launch.write(
        "site/sitecustomize.py", "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('mine'))\n"
    ).parent
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('alive')"
    assert launch.python(code, PYTHONPATH=str(other)).stdout == "mine\nalive\n"


@posix
def test_a_lock_held_in_the_main_thread_does_not_keep_the_process_alive(launch):
    """A flush that cannot finish ends with its time limit, and the process with the signal."""
    code = (
        "import os, signal, sys, threading, rlhf_otel.feedback\n"
        "from rlhf_otel.export import setup\n"
        "lock = threading.Lock(); lock.acquire()\n"
        "setup.flush_at_exit = lock.acquire\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.pause()\n"
    )
    assert launch.python(code, **ALONE, RLHF_OTEL_EXIT_TIMEOUT="0.1").returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("level", "shown"),
    [("", ["a warning"]), ("debug", ["DEBUG a detail", "WARNING a warning"])],
)
def test_our_log_is_seen_as_the_setting_says(launch, level, shown):
    """Warnings of ours reach stderr without a logging set-up; everything from the level of the setting on with one."""
    code = "import rlhf_otel.api\nfrom rlhf_otel.hooks import logger\n"
    code += "logger.debug('a detail')\nlogger.warning('a warning')"
    lines = launch.python(code, **ALONE, RLHF_OTEL_LOG_LEVEL=level).stderr.splitlines()
    ours = [line for line in lines if line.endswith(("detail", "warning"))]
    assert [re.sub(r"^\S+ \S+,\d+ ", "", line) for line in ours] == shown


def test_watch_acts_once_and_at_once_where_it_is_late():
    """The callback comes once, after the first of the modules; at once where one is there already."""
    seen: list[str] = []
    when_first_imported(["sys", "never"], lambda: seen.append("late"))
    finders = list(sys.meta_path)
    sys.modules.pop("colorsys", None)
    when_first_imported(["colorsys", "never"], lambda: seen.append("first"))
    import colorsys

    assert seen == ["late", "first"]
    assert sys.meta_path == finders
    assert colorsys.__spec__ is not None
    assert colorsys.__loader__ is colorsys.__spec__.loader
