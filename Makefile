# Two commands do everything: `make run` and `make test`. See README.md.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto

# In CI the target directory lies outside the checkout, so that a clean checkout does not compile the
# world again, and one profile serves clippy, tests and bin/.
ifdef CI
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/milena-target
PROFILE ?= ci
else
PROFILE ?= release
endif
TARGET := $(or $(CARGO_TARGET_DIR),target)
TEST_PROFILE := $(if $(CI),ci,dev)
CARGO := cargo
LOCKED := --locked

.PHONY: help run build test ci format-check lint tidy deny conformance simulate bench fuzz tools

help: ## Lists what there is.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: build ## Builds and starts `milena dev`; flags in ARGS="...".
	@exec bin/milena dev $(ARGS)

build: tools ## Builds the binary and leaves it at bin/milena.
	$(CARGO) build $(LOCKED) --profile $(PROFILE) -p milena-server --bin milena
	@mkdir -p bin
	@install -m 755 $(TARGET)/$(PROFILE)/milena bin/.milena.new && mv -f bin/.milena.new bin/milena

tools: ## Installs what is missing (compiler, make) where it may, else says what to install.
	@scripts/tools build

test: tools ## Runs every test: doc tests, then units, integration and stock clients.
	@scripts/test $(TEST_PROFILE)

ci: format-check lint tidy deny ## What a change must pass.
	@$(MAKE) --no-print-directory test

format-check: ## Checks the format.
	$(CARGO) fmt --all --check

lint: tools ## Runs clippy; a warning is an error.
	$(CARGO) clippy $(LOCKED) --workspace --all-targets --profile $(TEST_PROFILE) -- -D warnings

tidy: tools ## Checks the rules of the house that no compiler knows.
	$(CARGO) test $(LOCKED) --profile $(TEST_PROFILE) -p milena-conformance --test tidy -- --quiet

deny: ## Checks licences, bans and sources of dependencies.
	@scripts/tools deny
	cargo deny --log-level error check bans licenses sources

conformance: build ## Runs the whole client matrix and librdkafka's suite, and writes the lists.
	@scripts/conformance

simulate: tools ## Runs seeds of the simulated world; how many in SEEDS=N, from which in START=S.
	$(CARGO) run $(LOCKED) --profile $(PROFILE) -p milena-simulation -- --seeds $(or $(SEEDS),1000) --start $(or $(START),0)

bench: build ## Measures beside Apache Kafka, alternating, and prints ratios; flags in ARGS="...".
	@scripts/bench $(ARGS)

fuzz: ## Runs the fuzz targets for ten minutes each; seconds and targets in ARGS="...".
	@scripts/fuzz $(ARGS)
