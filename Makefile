# Asar: everything a person types. `make` alone lists it.

# Settings: make demo PORT=9000 DATA_DIR="/some where/asar"; make bench BENCH="door drain"; make faults LANES=1
PORT ?= 8080
DATA_DIR ?=
TESTS ?= tests
BENCH ?=
# How many systems at once have faults: two save time, one shows outages that nothing else draws out.
LANES ?= 2

VENV := .venv
BIN := $(VENV)/bin
DASHBOARD := services/gateway/dashboard
# Make cannot hold a path with spaces in a list of words, so the shell sees it quoted, and only here.
AT := $(if $(strip $(DATA_DIR)),--data-dir '$(subst ','\'',$(DATA_DIR))')
NEWEST_PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: promtool help demo up upgrade status verify test check format coverage faults bench bench-full docs lock page browser wrk install clean

help: ## List what there is.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

demo: install ## Start everything with a made-up network's year in it.
	@$(BIN)/python -m deploy.local.page --if-possible
	@exec $(BIN)/asar demo --port $(PORT) $(AT)

up: install ## Start everything on your own data.
	@$(BIN)/python -m deploy.local.page --if-possible
	@exec $(BIN)/asar up --port $(PORT) $(AT)

upgrade: install ## Put this version into what runs, refusing nobody.
	@$(BIN)/python -m deploy.local.page --if-possible
	@exec $(BIN)/asar upgrade $(AT)

status: install ## Show what runs.
	@$(BIN)/asar status $(AT)

verify: install ## Recount every figure.
	@$(BIN)/asar verify $(AT)

test: install page browser promtool ## Run the whole suite.
	$(BIN)/python -m pytest -n 2 $(TESTS)

check: install ## Lint, types, import rules, dependencies.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/pyright
	$(BIN)/python -m deploy.local.page --check

format: install ## Put the code into the house's form.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: install ## Run the suite and measure what it reaches.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

faults: install ## Make every fault of the table, and count what is lost.
	SIMULATION_SEEDS=1000 $(BIN)/python -m pytest -q -n $(LANES) -m fault --faults docs/reference/faults.md tests/faults tests/shared

bench: install wrk ## Measure each promise against a limit measured in the same run.
	$(BIN)/python -m bench $(BENCH)

bench-full: install wrk ## The same with growth, and the report written anew.
	$(BIN)/python -m bench --full --report

docs: install ## Write the generated reference anew.
	$(BIN)/python -m deploy.reference

lock: install ## Choose the newest versions that pyproject.toml allows.
	$(BIN)/uv pip compile pyproject.toml --group dev --output-file requirements.lock $(LOCK)
	$(BIN)/uv pip compile pyproject.toml --constraint requirements.lock --output-file requirements-image.lock $(LOCK)

LOCK := --upgrade --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --no-annotate

page: install ## Build the dashboard's page.
	@$(BIN)/python -m deploy.local.page

# A browser for the tests that look at the page as a person does.
browser:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; \
	then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then echo "Installing Chromium for the browser tests …"; apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "The browser tests need Chromium. Install it with your system's packages, then run this again."; exit 1; \
	fi

# A client for the benchmarks that takes next to nothing of the machine they measure on.
wrk:
	@if command -v wrk >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then echo "Installing wrk for the benchmarks …"; apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk >/dev/null; \
	else echo "The benchmarks need wrk. Install it with your system's packages, then run this again."; exit 1; \
	fi

# Prometheus's own checker of rules, out of Debian's package: unpacked, not installed.
promtool: install
	@test -x $(BIN)/promtool || command -v promtool >/dev/null || { \
	folder=$$(mktemp -d) && chmod 755 "$$folder" && cd "$$folder" && \
	get() { apt-get download -qq promtool 2>/dev/null || apt-get download -qq prometheus 2>/dev/null; } && \
	{ get || { test "$$(id -u)" = 0 && apt-get update -qq && get; }; } && \
	dpkg-deb --extract ./*.deb . && cp usr/bin/promtool "$(CURDIR)/$(BIN)/promtool" && rm -r "$$folder"; } || \
	echo "promtool is not to be had here, so what the alert rules say is not tested. It comes with Prometheus."

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
ifeq ($(NEWEST_PYTHON),)
	@echo "Asar needs Python 3.11 or newer, and none was found as python3 or python3.11 to python3.14. Install one, then run this again."; exit 1
endif
	@echo "Making the environment in $(VENV) …"
	@test -x $(BIN)/python || $(NEWEST_PYTHON) -m venv $(VENV) || { \
		echo "Python's venv is missing. On Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install -qq --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

clean: ## Remove what was built here; data folders stay.
	rm -rf $(VENV) $(DASHBOARD)/node_modules services/gateway/static .pytest_cache .ruff_cache .import_linter_cache .hypothesis
