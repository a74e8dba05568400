# Everything a person types. Needs make (GNU make 3.81 suffices) and Python 3.11-3.13, nothing else.
# Paths are relative on purpose: make runs recipes in this folder, and folders may have spaces in their names.
# PYTHON=/path/to/python chooses the interpreter; ARGS="..." is handed on: make run ARGS="--now 2026-11-21"

SHELL := /bin/sh
PY := .venv/bin/python
BATON := $(PY) -m orchestration.cli
ARGS ?=

export PYTHON
export PYTHONUNBUFFERED := 1
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help
.PHONY: help setup run status doctor ui test soak lint format docs bench

help: ## Say what there is
	@echo "Baton. Start with: make run"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Options of the command: make run ARGS=\"--help\", or .venv/bin/baton --help"

setup: ## Create or repair .venv; every target below does it first, and it does nothing when all is well
	@/bin/sh scripts/setup.sh

run: setup ## Bring everything up to date: load, build, train, predict, monitor, check, publish; then a summary
	@$(BATON) run $(ARGS)

status: setup ## One screen: products, champions, data age, decisions, failing checks
	@$(BATON) status $(ARGS)

doctor: setup ## Look for what is wrong with this installation, each finding with its fix
	@$(BATON) doctor $(ARGS)

ui: setup ## Serve Dagster and MLflow on this machine; Ctrl-C stops both
	@$(BATON) ui $(ARGS)

test: setup ## All tests (ARGS="-k loader" for some of them)
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

soak: setup ## Long simulations, half an hour and more; reports go to docs/reports
	@BATON_LONG=1 $(PY) -m pytest -m "long or property" tests $(ARGS)
	@$(PY) -m pytest tests/soak $(ARGS)

lint: setup ## Linter, formatter, types, SQL; runs all of them and names those that failed
	@failed=; \
	$(PY) -m ruff check . || failed="$$failed ruff-check"; \
	$(PY) -m ruff format --check . || failed="$$failed ruff-format"; \
	$(PY) -m mypy || failed="$$failed mypy"; \
	if [ -f .sqlfluff ] || [ -f dbt_project/.sqlfluff ]; then \
		$(PY) -m sqlfluff lint dbt_project || failed="$$failed sqlfluff"; \
	fi; \
	if [ -n "$$failed" ]; then echo "lint: failed:$$failed (make format mends what ruff can)"; exit 1; fi

format: setup ## Let the formatter write
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: setup ## dbt's own documentation of every table, as one HTML file
	@$(BATON) dbt docs generate --static
	@echo "Open $${BATON_HOME:-.baton}/dbt/by_hand/static_index.html in a browser."

bench: setup ## Benchmarks, with the figures to beat beside them
	@$(PY) -m bench $(ARGS)
