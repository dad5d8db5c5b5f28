# Every target does its own set-up; `make help` lists them.
PYTHON ?= python3
BIN = .venv/bin

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[local,server,dev]'
	touch $@

.PHONY: help demo test lint format bench
help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

demo: .venv/ready  ## install, then run a whole session on the embedded model
	$(BIN)/sightline demo --out demo-out

test: .venv/ready  ## install, then run every test
	$(BIN)/python -m pytest

lint: .venv/ready  ## formatting, style, types and the house's import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/ready  ## latency and memory of the embedded model on this machine
	$(BIN)/sightline bench
