# `make sweep` runs the paper's ablations and `make test` the tests; both set up what they need.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := tass_core search_spaces tracking evidence jobs reports cli

.PHONY: sweep test check benchmarks format setup clean

sweep: setup
	$(BIN)/tass-cli sweep ablations --yes

# Side by side, one thread each: several processes of several threads wait for each other. Tests
# of real clusters have the machine to themselves.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not system" --numprocesses 2 --dist loadfile
	$(BIN)/python -m pytest -m system

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
