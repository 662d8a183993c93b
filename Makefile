# One command each. Every target sets itself up: a fresh clone needs make and Python 3.11-3.13.
#
#   make demo     a paper market, orders of every kind, a report
#   make test     all tests, on all cores        (ARGS="-k order" passes arguments on)
#   make lint     style and types
#   make bench    the benchmarks, with ratios, into docs/performance.md (ARGS="lifecycle --quick")
#   make clean    remove what these commands made
#
# PYTHON=/path/to/python chooses the interpreter, VENV=elsewhere the environment's place. pip is
# configured by its own variables (PIP_INDEX_URL, ...) and files, which are left as they are.

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
ARGS  :=

.PHONY: help setup demo test lint style types bench clean

help:
	@sed -n '3,7s/^# *//p' Makefile

setup: $(READY)

demo: $(READY)
	$(BIN)/python -m actors demo $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: style types

style: $(READY)
	$(BIN)/python -m ruff check .

types: $(READY)
	$(BIN)/python -m mypy

bench: $(READY)
	$(BIN)/python -m benchmarks $(or $(ARGS),--page docs/performance.md)

# A name on the PATH proves nothing (version managers put shims there that refuse to run), so each
# candidate has to show that it runs, is of a supported version and can make an environment.
$(READY): pyproject.toml constraints.txt
	@set -e; \
	if ! $(BIN)/python -c '' 2>/dev/null; then \
	    for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	        if "$$python" -c 'import ensurepip, sqlite3, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	            2>/dev/null; then found=$$python; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "make: no usable Python. Needed: 3.11, 3.12 or 3.13 with venv, ensurepip and sqlite3." >&2; \
	        echo "make: name one with 'make $(MAKECMDGOALS) PYTHON=/path/to/python3'." >&2; \
	        exit 1; \
	    fi; \
	    echo "Setting up $(VENV) with $$("$$found" --version)"; \
	    "$$found" -m venv --clear $(VENV); \
	fi; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev]'; \
	touch $(READY)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find engine actors tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
