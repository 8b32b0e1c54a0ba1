# `make sweep` runs the paper's ablations and `make test` the tests; both set up what they need.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin

# Where numbers are made: these tests must hold on any processor, with any number of threads.
NUMERIC := $(addprefix tests/tass_core/,systems training batches evaluation)

.PHONY: sweep test processors check benchmarks format setup clean

sweep: setup
	$(BIN)/tass-cli sweep ablations --yes

# Side by side, one thread each: several processes of several threads wait for each other. Tests
# of real clusters have the machine to themselves.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not system" --numprocesses 2 --dist loadfile
	$(BIN)/python -m pytest -m system

# The numeric tests as processors without AVX-512, and without AVX2, would run them, on two cores:
# two processes of one thread, or one of two. Not those of kills: they fork, and OpenMP's
# second thread does not survive a fork.
processors: setup
	for threads in 1 2; do \
	  for isa in "ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2" ATEN_CPU_CAPABILITY=default; do \
	    echo "$$isa, $$threads thread(s)"; \
	    env $$isa OMP_NUM_THREADS=$$threads $(BIN)/python -m pytest -q --durations=0 \
	      --durations-min=20 $(NUMERIC) --numprocesses $$((2 / threads)) --dist loadfile \
	      --ignore tests/tass_core/training/test_resume.py || exit 1; \
	  done; \
	done

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
