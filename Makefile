# Every target works on a fresh clone: the virtual environment is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 4 # of the tests, each with a Kafka and a MongoDB: half of the time they wait, so two cores carry four
LOCKS := requirements/build.txt requirements/runtime.txt requirements/local.txt requirements/test.txt requirements/lint.txt

.PHONY: help setup demo test chaos compose-test bench lint format docs lock env clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(READY) ## make the virtual environment

$(READY): $(LOCKS) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing: install it, or say where it is with 'make PYTHON=/path/to/python3 ...'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed ('make PYTHON=/path/to/python3.12 ...')." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: install it (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes at most) ..."
	@$(PYTHON) -m venv $(VENV)
	@# the locks are complete: without --no-deps pip asks again for what they pin, and takes "coverage[toml]" newer than "coverage"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(addprefix -r ,$(LOCKS))
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/pip check --quiet --disable-pip-version-check
	@touch $@

demo: $(READY) ## the whole system on this machine, with sandboxes of Personio and Declaree
	@exec $(BIN)/python -m sandbox

test: $(READY) ## the test suite, on a real Kafka and MongoDB started by itself
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

chaos: $(READY) ## first synchronisations with services killed at random, for up to 25 minutes
	$(BIN)/pytest -m chaos --timeout 1800 -s

compose-test: $(READY) ## the compose stack on a container engine, with replicas and killed containers
	$(BIN)/pytest tests/compose -m compose -s

bench: $(READY) ## rates of the whole and of each stage, beside bare loops of the same libraries
	$(BIN)/python -m benchmarks

lint: $(READY) ## style, types, import boundaries
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/codespell

format: $(READY) ## style, put right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## what is generated of the documentation
	$(BIN)/python docs/generate.py

lock: ## the pinned requirements anew, with uv
	@command -v uv >/dev/null || { echo "uv is missing: 'pip install uv'." >&2; exit 1; }
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --quiet -o requirements/runtime.txt
	for group in build local test lint; do \
		uv pip compile --group $$group --universal -c requirements/runtime.txt --generate-hashes --no-header --quiet -o requirements/$$group.txt || exit 1; \
	done

env: ## settings for docker compose: an .env with a fresh key
	@test ! -e .env || { echo ".env exists and stays as it is: without its ENCRYPTION_KEYS the stored credentials cannot be read." >&2; exit 1; }
	@umask 077 && key=$$(head -c 32 /dev/urandom | base64 | tr '+/' '-_') && sed "s|^ENCRYPTION_KEYS=.*|ENCRYPTION_KEYS=$$key|" .env.example >.env
	@echo "Written: .env. Keep its ENCRYPTION_KEYS safe: without them the stored credentials cannot be read."

clean: ## the virtual environment and all data of the demo
	rm -rf $(VENV) .data
