# What a developer or CI does here, by name; `make help` lists it. Every target sets up what it needs, once: a stamp in
# .make/ carries a checksum of what was installed from, so that a second run does nothing and a changed file installs
# again. Needs Python 3.11 or newer (PYTHON=... chooses one), and Node with npm for the Node client alone.
# CONSTRAINTS=... installs other versions than those that the tests ran with: see requirements/README.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PY := .venv/bin/python
PROTOS_PY := .venv-protos/bin/python
BUF := .venv-protos/bin/buf
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
CONSTRAINTS ?= requirements/constraints.txt
CLIENT_CONSTRAINTS := requirements/client-oldest.txt requirements/client-constraints.txt
TRITON_REQUIREMENTS := requirements/triton.txt

checksum = $(firstword $(shell cat $(1) | cksum))
CLIENT_SOURCES := $(sort $(shell find clients/python services -name '*.py' -o -name '*.pyi'))

DEV_STAMP := .make/dev-$(call checksum,pyproject.toml $(CONSTRAINTS))
PROTOS_STAMP := .make/protos-$(call checksum,requirements/protos.txt)
CLIENT_STAMP := .make/client-$(call checksum,pyproject.toml $(CLIENT_CONSTRAINTS) $(CLIENT_SOURCES))
TRITON_STAMP := .make/triton-$(call checksum,$(TRITON_REQUIREMENTS))
AUDIT_STAMP := .make/audit-$(call checksum,requirements/audit.txt)
NODE_STAMP := .make/node-$(call checksum,clients/node/package.json clients/node/package-lock.json)

##@ Use

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	    /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(DEV_STAMP) ## Run the whole path on real digits: import, train, export, stream, measure
	@$(PY) demo/run.py

##@ Develop

.PHONY: setup
setup: $(DEV_STAMP) $(PROTOS_STAMP) $(CLIENT_STAMP) $(TRITON_STAMP) $(NODE_STAMP) ## Install everything that the other targets need

.PHONY: format
format: $(DEV_STAMP) $(PROTOS_STAMP) ## Format Python and protos, fix what can be fixed
	@$(PY) -m ruff check --quiet --fix . || true
	@$(PY) -m ruff format --quiet .
	@$(BUF) format --write protos

.PHONY: lint
lint: $(DEV_STAMP) $(PROTOS_STAMP) ## Check style, protos, compatibility with the last release, the repository, what deploys it
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(BUF) lint protos
	@$(BUF) format --diff --exit-code protos
	@protos/check_breaking.sh $(BUF)
	@$(PY) scripts/verify_repo.py
	@$(PY) scripts/verify_deploy.py

.PHONY: protos
protos: $(PROTOS_STAMP) ## Regenerate the Python stubs from protos/
	@protos/generate.sh $(PROTOS_PY)

.PHONY: verify-protos
verify-protos: $(PROTOS_STAMP) ## Fail if the committed stubs are not what protos/ gives
	@protos/check_drift.sh $(PROTOS_PY)

.PHONY: operations
operations: $(DEV_STAMP) ## Draw what every operation on images does: docs/operations.md
	@$(PY) scripts/draw_operations.py docs

.PHONY: lock
lock: ## Resolve the newest versions and write them to requirements/
	@scripts/lock.sh requirements/constraints.txt --editable '.[dev]'
	@scripts/lock.sh requirements/client-constraints.txt --constraint requirements/client-oldest.txt .

.PHONY: clean
clean: ## Remove everything that was made here: environments, stamps, caches, outputs
	@rm -rf .make .venv .venv-protos .venv-client6 .venv-triton .venv-audit .pytest_cache .ruff_cache .hypothesis
	@rm -rf clients/node/node_modules dist demo-out bench-out
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: access
access: $(DEV_STAMP) ## Write which roles may call which method: docs/access.md
	@$(PY) scripts/write_access.py docs

##@ Prove

# Verbosity 0 keeps pytest's full closing line. A file stays with one process, as its fixtures are dear. What kills processes,
# or goes the whole path, comes after the rest: it waits for services, which thousands of other tests would keep waiting.
PYTEST := $(PY) -m pytest --verbosity=0 --numprocesses=auto --maxprocesses=4 --dist=loadfile -m 'not slow'
LAST := tests/faults tests/fuzz tests/scenarios
# A machine that others keep busy fails a test that waits now and then. What fails is told, and decides when run again alone.
AGAIN := --numprocesses=0 --last-failed --last-failed-no-failures=none
.PHONY: test
test: setup ## Run all tests that take less than minutes
	@$(PYTEST) --cache-clear $(LAST:%=--ignore=%) || $(PYTEST) $(AGAIN) $(LAST:%=--ignore=%)
	@$(PYTEST) --cache-clear $(LAST) || $(PYTEST) $(AGAIN) $(LAST)

.PHONY: quality
quality: setup ## Run the slow tests: trained models, faults at random moments
	@$(PY) -m pytest --verbosity=0 -m slow --ignore=tests/bench

.PHONY: bench
bench: $(DEV_STAMP) ## Measure throughput and memory on this machine
	@$(PY) -m pytest --verbosity=0 --capture=no tests/bench

.PHONY: audit
audit: $(AUDIT_STAMP) ## Look for known vulnerabilities in what each extra installs; needs the network
	@.venv-audit/bin/python scripts/audit.py

# A virtual environment, and the stamp that says what is in it.

.venv/bin/python .venv-protos/bin/python .venv-client6/bin/python .venv-triton/bin/python .venv-audit/bin/python:
	@scripts/create_venv.sh $(@:/bin/python=)

$(DEV_STAMP): .venv/bin/python
	@echo "Installing Synthmill and its development tools into .venv"
	@$(PY) $(PIP_INSTALL) --constraint $(CONSTRAINTS) --editable '.[dev]'
	@$(call stamp,dev)

$(PROTOS_STAMP): .venv-protos/bin/python
	@echo "Installing the tools for protos into .venv-protos"
	@$(PROTOS_PY) $(PIP_INSTALL) --requirement requirements/protos.txt
	@$(call stamp,protos)

$(CLIENT_STAMP): .venv-client6/bin/python
	@echo "Installing the client alone, on its oldest gRPC and protobuf, into .venv-client6"
	@.venv-client6/bin/python $(PIP_INSTALL) $(addprefix --constraint ,$(CLIENT_CONSTRAINTS)) .
	@$(call stamp,client)

# A stock client of the Open Inference Protocol; without its registry, the rest can still be tested.
$(TRITON_STAMP): .venv-triton/bin/python
	@echo "Installing a stock tritonclient into .venv-triton"; \
	if .venv-triton/bin/python $(PIP_INSTALL) --requirement $(TRITON_REQUIREMENTS); then \
	    $(call stamp,triton); \
	else \
	    echo "tritonclient could not be installed: its tests will be skipped" >&2; \
	fi

$(AUDIT_STAMP): .venv-audit/bin/python
	@echo "Installing the tool that audits packages into .venv-audit"
	@.venv-audit/bin/python $(PIP_INSTALL) --requirement requirements/audit.txt
	@$(call stamp,audit)

# The Node client is an example; without npm, or without its registry, the rest can still be tested.
$(NODE_STAMP):
	@echo "Installing the Node client's packages into clients/node/node_modules"; \
	if npm --prefix clients/node ci --loglevel=error --no-progress >/dev/null; then \
	    $(call stamp,node); \
	else \
	    echo "npm is missing or failed: the Node client's test will be skipped" >&2; \
	fi

stamp = mkdir -p .make && rm -f .make/$(1)-* && touch $@
