# Every target sets up what it needs by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.heirloom-setup

.PHONY: setup demo test lint clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch>=2.10,<=2.13.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[worker,dev]'
	touch $(STAMP)

demo: setup            ## restore a photo from start to end; the pictures stand in out/demo
	$(BIN)/heirloom demo

test: lint             ## everything that CI runs
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) out
