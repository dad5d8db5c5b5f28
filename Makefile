# Every target does its own set-up; `make help` lists them.
PYTHON ?= python3
BIN = .venv/bin
AUDIT = timeout 60 $(BIN)/pip-audit -r constraints.txt --no-deps --disable-pip --timeout 5 --progress-spinner off

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
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: .venv/ready  ## formatting, style, types, the house's import rules, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pip check --disable-pip-version-check
	@$(AUDIT) > .venv/audit.txt 2>&1; if grep -q '^Found [0-9]* known vulnerabilit' .venv/audit.txt; \
		then cat .venv/audit.txt; exit 1; \
		elif grep -q 'Dependency not found\|ERROR' .venv/audit.txt || ! grep -q 'No known' .venv/audit.txt; \
		then echo 'audit: not every package could be looked up; see .venv/audit.txt'; else echo 'audit: clean'; fi

format: .venv/ready  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/ready  ## latency and memory of the embedded model on this machine
	$(BIN)/sightline bench
