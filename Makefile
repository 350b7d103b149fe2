# One virtual environment in .venv, made from the lock; every target sets up what it needs.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
LOCK := .ci/requirements.txt
AUDIT := .venv/audit/bin/pip-audit
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test browser proxies check audit bench serve lock clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready  ## Install winnable and everything it needs into .venv

.venv/ready: $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "winnable needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## Learn from a demo company's CRM, score its open leads, say how to serve
	$(BIN)/winnable demo

test: setup  ## Run the tests, with COVERAGE=1 also their coverage; the last line says what could not be tested
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --ignore tests/benchmarks $(if $(COVERAGE),--cov --cov-report term)

browser:  ## Install Chromium for the tests of the pages, where apt and root are at hand
	apt-get update --quiet --quiet
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends chromium

proxies:  ## Install nginx and Caddy for the tests of the proxy recipes, where apt and root are at hand
	apt-get update --quiet --quiet
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends nginx caddy openssl

check: setup  ## Lint, check the format, the types and the import directions
	$(BIN)/ruff check src tests notebooks
	$(BIN)/ruff format --check src tests notebooks
	$(BIN)/mypy
	$(BIN)/pytest tests/test_imports.py

audit: setup  ## Name the licences of what is needed, and known vulnerabilities of what is locked, where they can be looked up
	@test -x $(AUDIT) || { $(PYTHON) -m venv .venv/audit && .venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; } || true
	$(BIN)/python .ci/audit.py $(AUDIT)

bench: setup  ## Compare quality and speed with others, side by side
	$(BIN)/pytest tests/benchmarks -s

serve: setup  ## Serve the champion on http://127.0.0.1:8000
	$(BIN)/winnable serve

lock:  ## Pin what pyproject.toml asks for, with hashes; UPGRADE=--upgrade takes newer versions
	$(PYTHON) -m venv .venv/uv && .venv/uv/bin/pip install --quiet uv
	.venv/uv/bin/uv pip compile pyproject.toml --extra train --extra sign-in --group dev --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --universal $(UPGRADE) --quiet --output-file $(LOCK)

clean:  ## Remove the environment and all caches
	rm -rf .venv .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
