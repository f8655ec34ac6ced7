# Minamoto's workshop; `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# One more than there are processors: a quarter of the time a test waits for a browser, a server or a clock.
WORKERS := $(shell expr $$(nproc) + 1)
# What to add to pytest's own words: make test PYTEST_ARGS='-k journey -x'
PYTEST_ARGS ?=
# What to add to a benchmark's or a proof's own words: make crash-test BENCH_ARGS='--kills 3'
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo serve test gallery spec lint fix snippet bench bench-ingest bench-attribution bench-lifecycle bench-pages bench-paths crash-test soak truth fuzz wheel lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## a demo company with its site and CRM on http://127.0.0.1:8000
	@$(BIN)/minamoto demo

serve: $(VENV)/.runtime ## the server on your own database
	@$(BIN)/minamoto serve

setup: $(VENV)/.dev ## all that work on Minamoto needs, in .venv

test: $(VENV)/.dev ## every test: SQLite, PostgreSQL and a real browser
	@.ci/machine
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=loadfile -rfEs \
		$(if $(CI),-p tests.no_skips) $(PYTEST_ARGS)

gallery: $(VENV)/.dev ## every page of the snippet's gallery in three browsers, and the record that they were played
	@.ci/machine
	MINAMOTO_TEST_WHOLE_GALLERY=1 $(BIN)/python -m pytest --numprocesses=$(WORKERS) --maxprocesses=3 --dist=loadfile -rfEs \
		-p tests.no_skips tests/browser/test_gallery_chromium.py tests/browser/test_gallery_firefox.py \
		tests/browser/test_gallery_webkit.py
	@$(BIN)/python -m tests.browser.gallery.played

spec: $(VENV)/.dev ## the rules as tables, in seconds
	$(BIN)/python -m pytest tests/spec $(PYTEST_ARGS)

lint: $(VENV)/.dev ## style, types and floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict tracker api
	$(BIN)/lint-imports

fix: $(VENV)/.dev ## repair what ruff can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

snippet: $(VENV)/.dev ## what is served of static/m.js and static/parts, in static/built
	@$(BIN)/python .ci/snippet

bench: $(VENV)/.dev ## measure ingest, fold and report on this machine
	@set -e; for script in ingest fold report; do echo "== bench/$$script.py"; $(BIN)/python bench/$$script.py; done

bench-ingest: $(VENV)/.dev ## beacons and finished visits a second, beside what the store alone can do
	@$(BIN)/python bench/ingest.py $(BENCH_ARGS)

bench-snippet: $(VENV)/.dev ## what the snippet costs a page's main thread, beside an empty script
	@$(BIN)/python bench/snippet.py $(BENCH_ARGS)

bench-attribution: $(VENV)/.dev ## Markov and Shapley beside other libraries, and every rule model over a million deals
	@$(BIN)/python bench/attribution.py $(BENCH_ARGS)

bench-paths: $(VENV)/.dev ## a report over a million paths, and one deal credited again beside them
	@$(BIN)/python bench/paths.py $(BENCH_ARGS)

bench-pages: $(VENV)/.dev ## each page's server time and first paint over a million visits (some minutes)
	@$(BIN)/python bench/pages.py $(BENCH_ARGS)

bench-lifecycle: $(VENV)/.dev ## a million people counted anew under twenty rules, and one person's change (some minutes)
	@$(BIN)/python bench/lifecycle.py $(BENCH_ARGS)

crash-test: $(VENV)/.dev ## kill, stop and starve servers and databases under load: nothing answered may be lost
	@$(BIN)/python bench/crash.py $(BENCH_ARGS)

soak: $(VENV)/.dev ## a million hits whose true story is known, through a real server
	@$(BIN)/python bench/soak.py $(BENCH_ARGS)

truth: $(VENV)/.dev ## every attribution model against worlds whose truth is known (some minutes)
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/truth.py $(BENCH_ARGS)

fuzz: $(VENV)/.dev ## broken HTTP over real sockets: no input gives a 500
	@$(BIN)/python bench/fuzz.py $(BENCH_ARGS)

wheel: $(VENV)/.dev ## the package, in dist/
	$(BIN)/python -m hatchling build --target wheel

lock: ## choose the dependencies' versions anew (UPGRADE=--upgrade: the newest)
	@.ci/lock $(UPGRADE)

clean: ## remove what make has made; your data stays
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp file is newer than the lock that was installed, so a second run installs nothing.
$(VENV)/.runtime: $(BIN)/python requirements.lock requirements-build.lock pyproject.toml
	@echo "Installing what Minamoto needs into $(VENV) (the first time takes a minute)"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements.lock -r requirements-build.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements-dev.lock pyproject.toml
	@echo "Installing what Minamoto and its tests need into $(VENV) (the first time takes some minutes)"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements-dev.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Minamoto needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || true)." >&2; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
