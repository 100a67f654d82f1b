#!/bin/sh
# Sees to a Chromium for the tests of tests/browser: the machine's own, else Debian's where this runs as root, else the
# one that Playwright brings, in the user's cache. Does nothing where there is one.
#
#   tests/browser/install.sh [python]
#
# RLHF_OTEL_TEST_BROWSER names the program of another one.
set -eu
cd "$(dirname "$0")/../.."
python=${1:-python3}

there() { "$python" -m tests.browser.chromium >/dev/null 2>&1; }

if there; then
    exit 0
fi
echo "installing Chromium for the tests of what runs in a browser ..." >&2
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install --yes --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 || true
fi
there || "$python" -m playwright install chromium >&2 || true
if ! there; then
    echo "there is no Chromium, and none could be installed: apt-get install chromium, or name its program by" \
        "RLHF_OTEL_TEST_BROWSER" >&2
    exit 3
fi
