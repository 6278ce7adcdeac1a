# Every target sets up what it needs by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.heirloom-setup

.PHONY: setup demo serve test lint bench-api chaos chaos-sum fuzz bench-overload clean

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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --ignore=tests/fuzz
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

bench-overload: setup  ## what becomes of four times as many requests as the API can answer
	$(BIN)/python -m benchmarks.overload

# So many cases for each operation, and FUZZ_ENOUGH in all at least; another seed draws others.
FUZZ_EXAMPLES ?= 600
FUZZ_SEED     ?= 1
FUZZ_ENOUGH   ?= 20000
fuzz: setup            ## requests drawn from the OpenAPI document: FUZZ_EXAMPLES for each operation, by FUZZ_SEED
	OMP_NUM_THREADS=1 HEIRLOOM_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) HEIRLOOM_FUZZ_SEED=$(FUZZ_SEED) \
	HEIRLOOM_FUZZ_ENOUGH=$(FUZZ_ENOUGH) $(BIN)/python -m pytest tests/fuzz --hypothesis-seed=$(FUZZ_SEED)

clean:
	rm -rf $(VENV) out
