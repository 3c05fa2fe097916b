# Every target works on a fresh clone: the virtual environment is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 4 # test workers, each with its own Kafka and MongoDB: tests wait half of the time, so two cores carry four
LOCKS := requirements/build.txt requirements/runtime.txt requirements/local.txt requirements/test.txt requirements/lint.txt

.PHONY: help setup demo test test-long simulate mutants chaos compose-test bench coverage lint format docs lock env clean

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(READY) ## makes the virtual environment

$(READY): $(LOCKS) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing: install it, or say where it is with 'make PYTHON=/path/to/python3 ...'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed ('make PYTHON=/path/to/python3.12 ...')." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: install it (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes at most) ..."
	@$(PYTHON) -m venv $(VENV)
	@# the locks are complete; without --no-deps, pip resolves "coverage[toml]" to a newer version than the pinned "coverage"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(addprefix -r ,$(LOCKS))
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/pip check --quiet --disable-pip-version-check
	@touch $@

demo: $(READY) ## runs the whole system on this machine, with sandboxes of Personio and Declaree
	@exec $(BIN)/python -m sandbox

test: $(READY) ## runs the test suite; starts a real Kafka and a real MongoDB
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder --durations=10

test-long: $(READY) ## runs the tests that take minutes: recovery drills, independent servers in every mode
	$(BIN)/pytest -m long --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

simulate: $(READY) ## simulates 2,000 schedules of the whole product with faults; SEED=n shows one
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(OPTIONS)

mutants: $(READY) ## plants mistakes in a copy of the code, each of which one test must find; ONLY=text chooses some
	$(BIN)/python -m tests.mutants $(if $(ONLY),--only '$(ONLY)')

chaos: $(READY) ## runs first synchronisations with services killed at random, for up to 25 minutes
	$(BIN)/pytest -m chaos --timeout 1800 -s

compose-test: $(READY) ## tests the compose stack on a container engine, with replicas and killed containers
	$(BIN)/pytest tests/compose -m compose -s

bench: $(READY) ## measures the pipeline and each stage beside bare loops of the same libraries
	$(BIN)/python -m benchmarks

coverage: $(READY) ## measures the branch coverage of the product by the tests that need no processes
	$(BIN)/pytest tests/unit tests/contract tests/component tests/system --cov --cov-report=term-missing:skip-covered

lint: $(READY) ## style, types, import boundaries, language
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m tests.support.prose

format: $(READY) ## formats the code and fixes what can be fixed automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## generates the documentation pages and the recorded output of commands
	$(BIN)/python docs/generate.py
	UPDATE_GOLDEN=1 $(BIN)/pytest tests/unit/cli/test_texts.py tests/component/cli/test_texts.py \
		tests/component/cli/test_decision_texts.py tests/component/cli/test_erasing_texts.py \
		tests/component/cli/test_doctor.py tests/component/cli/test_status.py --quiet

lock: ## compiles the pinned requirements with uv
	@command -v uv >/dev/null || { echo "uv is missing: 'pip install uv'." >&2; exit 1; }
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --quiet -o requirements/runtime.txt
	for group in build local test lint; do \
		uv pip compile --group $$group --universal -c requirements/runtime.txt --generate-hashes --no-header --quiet -o requirements/$$group.txt || exit 1; \
	done

env: ## writes .env, and new keys and passwords in .secrets, for docker compose
	@containers/make-env.sh

clean: ## deletes the virtual environment and the demo's data
	rm -rf $(VENV) .data
