#!/bin/sh
# Runs tests in an environment of their own: `oldest` and `middle` those of the instrumentation with other versions of
# the client libraries and of OpenTelemetry, any other name those of the folder `tests/NAME` with what they need;
# `beside/NAME` those of `tests/beside` with one other instrumentation, `frameworks/NAME` those of `tests/frameworks`
# with other frameworks; `libraries/oldest` those of the libraries with the oldest versions that know all that is tested;
# `engines/NAME` the test of `tests/engines` for one model server that runs in the process, `backends/NAME` that of
# `tests/backends` for one real backend on this machine, `examples/NAME` that of `tests/examples` for one example,
# `redact/NAME` that of `tests/redact` for one other redactor.
#
#   tests/matrix/run.sh oldest|middle|libraries|libraries/oldest|frameworks|frameworks/openai2|api|train|beside/NAME|engines/NAME|backends/NAME|examples/NAME|redact/NAME [pytest arguments...]
#
# The environment is made on the first run, under .venvs/, and again when its requirements change.
# PYTHON names the interpreter to make it with.
set -eu

name=${1:-}
cd "$(dirname "$0")/../.."
versions="tests/matrix/$name.txt"
if [ -z "$name" ] || [ "$name" = tools ] || [ ! -f "$versions" ]; then
    echo "usage: tests/matrix/run.sh oldest|middle|libraries|libraries/oldest|frameworks|frameworks/openai2|api|train|beside/NAME|engines/NAME|backends/NAME|examples/NAME|redact/NAME [pytest arguments...]" >&2
    exit 2
fi
shift

home=".venvs/$(echo "$name" | tr / -)"
alone="${versions%.txt}.alone"  # what is installed without what it asks for
[ -f "$alone" ] || alone=/dev/null
wanted=$(cat "$versions" "$alone" tests/matrix/tools.txt pyproject.toml)
if [ "$(cat "$home/made-from" 2>/dev/null)" != "$wanted" ]; then
    echo "making $home" >&2
    "${PYTHON:-python3}" -m venv --clear "$home"
fi
python="$home/bin/python"
[ -x "$python" ] || python="$home/Scripts/python"
if [ ! -f "$home/made-from" ]; then
    # Pip as old as some Pythons bring it looks for minutes for what goes together.
    "$python" -m pip install --quiet --disable-pip-version-check --upgrade pip
    "$python" -m pip install --quiet --editable . \
        --requirement "$versions" --requirement tests/matrix/tools.txt
    [ "$alone" = /dev/null ] || "$python" -m pip install --quiet --no-deps --requirement "$alone"
    printf '%s\n' "$wanted" > "$home/made-from"
fi

tests=tests/instrumentation
if [ -d "tests/${name%%/*}" ]; then
    tests="tests/${name%%/*}"
    case "$name" in
        engines/* | examples/* | redact/*) tests="$tests/test_${name#*/}.py" ;;
        # Phoenix brings a plugin for pytest, which imports all of it.
        backends/*) tests="$tests/test_${name#backends/}.py"; set -- -p no:phoenix "$@" ;;
    esac
    # A library that was installed for its tests must not be skipped by them; the oldest do not all go together.
    [ "$name" = libraries/oldest ] || export RLHF_OTEL_TEST_LIBRARIES=1
fi
"$python" - "$versions" <<'VERSIONS'
import re
import sys
from importlib.metadata import version
with open(sys.argv[1]) as lines:
    names = dict.fromkeys(found[0] for line in lines if (found := re.match(r"[\w-]+", line)))
print(*(f"{name} {version(name)}" for name in (*names, "opentelemetry-sdk", "wrapt")), sep=", ")
VERSIONS
exec "$python" -m pytest "$tests" --quiet "$@"
