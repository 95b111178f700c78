# Each target works alone on a machine with python >= 3.11, make and pip: what it needs is installed into .venv first.
PYTHON ?= $(firstword $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p; done))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: verify test test-all lint bench clean
.DEFAULT_GOAL := verify

verify: $(STAMP)  ## do the papers' claims hold?
	$(BIN)/fembridge verify

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint  ## lint, doctests and tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

test-all: lint  ## the slow tests too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "slow or not slow"

bench: $(STAMP)  ## time, memory and accuracy of each case and of its peers, in the same run
	$(BIN)/python -m experiments.benchmarks

# The stamp is younger than what decides on the packages, or they are installed again.
$(STAMP): pyproject.toml constraints.txt
	@$(if $(PYTHON),,echo "fembridge needs python 3.11 or newer; none was found (set PYTHON=/path/to/python)" >&2; exit 2;) \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "fembridge needs python 3.11 or newer, got PYTHON=$(PYTHON)" >&2; exit 2; }; \
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || exit 2; \
	echo "installing into $(VENV)" >&2; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
