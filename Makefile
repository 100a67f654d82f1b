# Two commands do all the set-up: `make demo` and `make test`. Both work from a clean clone.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# A file of tests to a process, as many processes as there are cores, up to four.
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo collector collector-or-why-not browser-or-why-not test test-all test-beside test-backends test-api test-train test-engines test-matrix lint format bench clean

## See it work: environment, installation, the main job on the embedded store. No key, no network but the package index.
demo: $(VENV)/.installed
	$(BIN)/rlhf-otel demo

## The OpenTelemetry Collector with what collector-config.yaml needs, by Go: built once, into collector/build.
collector:
	@collector/build.sh

# What is in the way may be Go or the network, and no fault of what is tested: `make collector` and `make test-all` insist.
collector-or-why-not:
	@collector/build.sh || echo "THE TESTS OF THE COLLECTOR WILL BE SKIPPED" >&2

# A Chromium for the tests of what runs in a browser: the machine's own, else Debian's or Playwright's.
browser-or-why-not: $(VENV)/.installed-dev
	@tests/browser/install.sh $(BIN)/python || echo "THE TESTS IN A BROWSER WILL BE SKIPPED" >&2

## What decides whether a change is good: style, types, every test, the oldest supported versions, the further libraries.
test: $(VENV)/.installed-dev lint collector-or-why-not browser-or-why-not
	$(BIN)/python -m pytest -q $(PARALLEL)
	tests/matrix/run.sh oldest $(PARALLEL)
	tests/matrix/run.sh libraries $(PARALLEL)
	tests/matrix/run.sh examples/gradio
	tests/matrix/run.sh examples/django
	@test -x collector/build/rlhf-otelcol || echo "NOTE: the collector could not be built here, so its tests were skipped" >&2
	@$(BIN)/python -m tests.browser.chromium >/dev/null || echo "NOTE: no Chromium could be installed here, so the tests in a browser were skipped" >&2

## The same, with the versions between oldest and newest, frameworks, other instrumentations, and the slow tests.
test-all: collector test
	RLHF_OTEL_TEST_SLOW=1 $(BIN)/python -m pytest -q -m slow
	tests/matrix/run.sh middle
	tests/matrix/run.sh libraries/oldest
	tests/matrix/run.sh frameworks
	tests/matrix/run.sh frameworks/openai2
	tests/matrix/run.sh redact/presidio
	$(MAKE) test-beside
	$(MAKE) test-backends
	$(MAKE) test-api

## Beside every other instrumentation that we know, each in an environment of its own.
test-beside:
	set -e; for peer in tests/matrix/beside/*.txt; do tests/matrix/run.sh beside/$$(basename $$peer .txt); done

## With the real Phoenix and MLflow on this machine, each in an environment of its own (some 800 MB), and Langfuse's schema.
test-backends:
	set -e; for name in tests/matrix/backends/*.txt; do tests/matrix/run.sh backends/$$(basename $$name .txt); done

## Everything that our own descriptions in OpenAPI lead to, asked for by a fuzzer of APIs, in an environment of its own.
test-api:
	tests/matrix/run.sh api

## Models in this process: torch and transformers, some gigabytes. No other target needs it.
test-train:
	tests/matrix/run.sh train

## Model servers in this process, the real ones: vllm on the processor (some gigabytes), llama.cpp (is compiled).
test-engines:
	set -e; for name in tests/matrix/engines/*.txt; do tests/matrix/run.sh engines/$$(basename $$name .txt); done

test-matrix: $(VENV)/.installed-dev
	tests/matrix/run.sh oldest
	tests/matrix/run.sh middle
	tests/matrix/run.sh libraries
	tests/matrix/run.sh libraries/oldest
	tests/matrix/run.sh frameworks
	tests/matrix/run.sh frameworks/openai2

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## Ratios to a hand-written floor and to the official launcher, all in one run.
bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/run.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV), which takes about a minute ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV), which takes about two minutes ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .venvs .rlhf-otel build dist collector/build .mypy_cache .ruff_cache .pytest_cache
