# `make sweep` runs the paper's ablations and `make test` the tests; both set up what they need.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := tass_core search_spaces jobs reports cli

.PHONY: sweep test check benchmarks format setup clean

sweep: setup
	$(BIN)/tass-cli sweep ablations --yes

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: setup
	$(BIN)/python -m benchmarks

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
