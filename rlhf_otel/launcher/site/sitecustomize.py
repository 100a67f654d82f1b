"""What Python runs first in every process under `rlhf-otel-instrument`. Kept plain: any Python 3 may come across it."""

import importlib.machinery
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - nothing is imported that need not be


def leave_the_path() -> None:
    """Takes this folder out of `sys.path`, but not out of PYTHONPATH: processes started from here are recorded too."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE]  # noqa: PTH100


def run_the_one_behind() -> None:
    """Runs the sitecustomize that Python would have found without us; what it raises, Python reports as ever."""
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def start_recording() -> None:
    """Switches recording on; whatever goes wrong costs one line and nothing else."""
    try:
        from rlhf_otel.launcher import child
    except Exception as error:  # noqa: BLE001 - the application starts, whatever is wrong with our installation
        line = "rlhf-otel: not recording: %s cannot import rlhf_otel (%s)\n" % (sys.executable, error)  # noqa: UP031
        if sys.stderr is not None:
            sys.stderr.write(line)
        return
    child.start()


leave_the_path()
try:
    run_the_one_behind()
finally:
    start_recording()
