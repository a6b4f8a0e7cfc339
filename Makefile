# replay: set up, then run the shipped examples.   test: set up, then the tests.
# check:  tests, lint, types, import contracts, the built wheel.   bench: the figures of docs/benchmarks.md
#         (BENCH="brokers --full" for some of them, or more rounds).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help replay test check lint wheel bench clean
help:
	@sed -n 's/^# //p' Makefile

replay: $(VENV)/.run
	@$(BIN)/ota-sim run examples --report-dir reports

test: $(VENV)/.test
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist worksteal -q

check: test lint wheel

wheel: $(VENV)/.check
	@$(BIN)/python -m tests.smoke_wheel

lint: $(VENV)/.check
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.bench
	@$(BIN)/python -m bench $(BENCH)

clean:
	rm -rf $(VENV) dist build reports .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "ota-sim needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 3; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; \
	  echo "On Fedora it comes with python3; elsewhere: python3 -m pip install virtualenv && virtualenv $(VENV)"; exit 3; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) (once) ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) for the tests (once) ..."
	@$(PIP) -e '.[test]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) for the benchmarks (once) ..."
	@$(PIP) -e '.[bench]'
	@touch $@ $(VENV)/.run $(VENV)/.test

$(VENV)/.check: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up $(VENV) for all checks (once) ..."
	@$(PIP) -e '.[check]'
	@touch $@ $(VENV)/.run $(VENV)/.test
