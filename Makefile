# Needs python3 (3.11 to 3.13) and make; everything else is set up in .venv by the targets themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.installed
RUN ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)
LLM_RUN ?= runs/demo-llm-$(shell date +%Y%m%d-%H%M%S)
WORKERS ?= 2

# One thread for each process: results repeat to the bit on a machine, and workers do not fight for cores.
export OMP_NUM_THREADS := 1

.PHONY: help venv test checks lint format demo demo-llm reference docs clean
.DEFAULT_GOAL := help

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

venv: $(DONE) ## Set up .venv with moft, editable, and all that the other targets need.

test: $(DONE) ## Run every check: format, lint, types, imports, tests.
	@$(MAKE) --no-print-directory -j 2 lint checks

# Beside lint, whose last parts use one core only; neighbours in a file share fixtures, so each worker begins with a half.
checks: $(DONE)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(DONE) ## Run the checks that run no code.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DONE) ## Format the code and repair what can be repaired.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(DONE) ## Fetch a small real data set, train on it, write the front and a report into runs/demo-TIME (or RUN=...).
	$(BIN)/moft data get mslr-sample
	$(BIN)/moft train configs/ltr/mslr-sample.yaml --out $(RUN)

demo-llm: $(DONE) data/demo-llm.jsonl ## Tune a small real language model on text that it wrote itself, and measure what it writes then; about ten minutes.
	$(BIN)/moft train configs/llm/demo.yaml --out $(LLM_RUN)

data/demo-llm.jsonl: | $(DONE)
	$(BIN)/moft data model smollm2
	mkdir -p data
	$(BIN)/moft data sample smollm2 configs/llm/demo-prompts.txt --template chat --responses 4 --max-new-tokens 32 \
		--scorer "first-person={name: regex, pattern: '\b(?:I|me|my|mine|we|us|our)\b'}" \
		--scorer "third-person={name: regex, pattern: '\b(?:he|him|his|she|her|they|them|their)\b', ignore_case: true}" --out $@

reference: $(DONE) ## Write the generated parts of the pages anew, from the code and the results of benchmarks.
	$(BIN)/python docs/reference.py

docs: $(DONE) ## Build the documentation into docs/_build/html; a warning is an error.
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

clean: ## Remove what the other targets made: .venv, caches and built documentation. Runs stay.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist docs/_build
	find moft plugins tests benchmarks docs -type d -name __pycache__ -prune -exec rm -rf {} +

# torch first and alone: the pinned one is chosen before another package can ask for a newer one.
$(DONE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "moft needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install "pip>=25.1"
	$(BIN)/python -m pip install -c constraints.txt torch
	$(BIN)/python -m pip install -c constraints.txt -e ".[lightgbm]" --group dev
	@touch $@
