# Two commands on a fresh machine: `make serve` speaks, `make test` tests. `make help` lists the rest.
# Everything they install goes into .venv, pinned and hashed by requirements/*.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help serve test test-js soak check format bench image docs lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

serve: $(VENV)/.serve ## start the server on 127.0.0.1:8090 with the embedded voice
	@exec $(BIN)/streamer serve $(ARGS)

# They wait more than they compute, so one process more than this has cores. A file stays in one process: what
# it started once is there once. In their order, since the longest come first. ARGS="-n 0" for a debugger.
test: $(VENV)/.dev ## run the tests (ARGS="tests/text -x" narrows them)
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-js: $(VENV)/.dev ## run the tests of the JavaScript client: node and a browser (needs npm, chromium)
	@$(BIN)/python -m pytest tests/js $(ARGS)

soak: $(VENV)/.dev ## run the long tests: load, fuzz, leaks
	@$(BIN)/python -m pytest -m soak tests/soak $(ARGS)

check: $(VENV)/.dev ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## let ruff format and fix what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## measure first audio, encoders and push (bench/README.md names the others)
	@for script in first_audio encoders push; do $(BIN)/python -m bench.$$script $(ARGS) || exit 1; done

image: ## build the container image without a daemon and let it speak (root; installs nothing)
	@nice .ci/image

docs: $(VENV)/.dev ## make docs/settings.md from the table of settings
	@$(BIN)/python -m tests.settings_page > docs/settings.md.new && mv docs/settings.md.new docs/settings.md

lock: ## pin anew what pyproject.toml asks for (needs uv)
	@.ci/lock

clean: ## remove what these commands made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version 2>&1). Try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian: apt-get install python3-venv" >&2; exit 1; }

# A package is installed without its dependencies: these are in the requirements, with their hashes.
$(VENV)/.serve: requirements/serve.txt requirements/build.txt pyproject.toml | $(BIN)/pip
	@echo "Installing into $(VENV) (the first time takes a minute) ..." >&2
	@$(PIP) --require-hashes -r requirements/serve.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/torch.txt $(VENV)/.serve
	@echo "Installing what the tests need ..." >&2
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps -r requirements/torch.txt 2>/dev/null \
	  || $(PIP) --no-deps -r requirements/torch.txt --extra-index-url https://download.pytorch.org/whl/cpu
	@touch $@
