# Every target sets up what it needs by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.heirloom-setup

.PHONY: setup demo serve test lint bench-api chaos chaos-sum clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch>=2.10,<=2.13.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[worker,s3,dev]'
	touch $(STAMP)

demo: setup            ## the service from start to end: an album, a bad photo, before and after in out/demo
	$(BIN)/heirloom demo

serve: setup           ## the API and one worker on this machine, until Ctrl-C
	$(BIN)/heirloom serve

test: lint             ## everything that CI runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --ignore=tests/fuzz
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/fuzz

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-api: setup       ## the API's speed beside a bare application's, in the same run
	$(BIN)/python -m benchmarks.api

chaos: setup           ## harm done to a service for MINUTES by the plan of SEED; CHAOS holds further options
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) $(CHAOS)

chaos-sum: setup       ## what all campaigns add up to
	$(BIN)/python -m tests.chaos sum

clean:
	rm -rf $(VENV) out
