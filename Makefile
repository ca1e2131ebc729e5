# Every target works in a fresh clone: .venv is made on first use, from the versions in constraints.txt.

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench chaos

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z.]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Options for the program behind a target: make test ARGS='-k histogram'"

demo: $(VENV) ## Replay recorded agent sessions through the whole pipeline and show what it makes of them
	@$(BIN)/agentgauge demo $(ARGS)

test: $(VENV) ## Run every test that this machine can run; say at the end which it could not, and why
	@$(BIN)/pytest $(ARGS)

lint: $(VENV) ## Style, format, types and the rule who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports

format: $(VENV) ## Put the code into its standard form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV) ## Measure: CPU an event through a real Kafka, the SDK's caller, storage, a scrape
	@$(BIN)/python -m benchmarks.reduce
	@$(BIN)/python -m benchmarks.sdk
	@$(BIN)/python -m benchmarks.storage
	@$(BIN)/python -m benchmarks.scrape

chaos: $(VENV) ## Two minutes of kill -9, freezes and a broken network; every count must be exact afterwards
	@$(BIN)/python -m tests.chaos $(ARGS)

$(VENV): $(VENV)/.complete

$(VENV)/.complete: pyproject.toml constraints.txt
	@scripts/make-venv $(VENV)
	@touch $@
