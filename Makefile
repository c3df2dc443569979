# `make` lists the targets. Everything builds with Cargo; only the ONNX Runtime library and the
# Python clients of the tests are fetched besides, once, into a cache outside the repository.

CARGO ?= cargo
CARGO_FLAGS ?=
export PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help demo test bench chaos evasion fuzz runtime venv tools fmt lint

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: runtime ## real traffic through the proxy and an embedded model, then the audit of its log
# Built as `bench` builds it, so that neither builds the other's programs anew.
	$(CARGO) build $(CARGO_FLAGS) --release --workspace --bins --example bench
	$${CARGO_TARGET_DIR:-target}/release/troth demo

test: runtime venv tools ## every test of the workspace, with real clients
# One selection of targets for building and testing, so that nothing is built twice with other
# features; the programs themselves are under test, so they must be built too.
	$(CARGO) build $(CARGO_FLAGS) --workspace --lib --bins --tests --examples
	$(CARGO) test $(CARGO_FLAGS) --workspace --doc
	@if $(CARGO) nextest --version >/dev/null 2>&1; then set -ex; \
		$(CARGO) nextest run $(CARGO_FLAGS) --workspace; \
	else set -ex; \
		$(CARGO) test $(CARGO_FLAGS) --workspace --lib --bins --tests; \
	fi

bench: runtime ## added latency and throughput beside nginx and no proxy; the log beside the bare disk
	sh tests/bench/install.sh
	$(CARGO) build $(CARGO_FLAGS) --release --workspace --bins --example bench
	$${CARGO_TARGET_DIR:-target}/release/examples/bench
# The log's own, on the file system of the target directory; TROTH_BENCH_RECORDS=10000000 is the
# long form of the last two.
	TROTH_BENCH_DIR=$${TROTH_BENCH_DIR:-$${CARGO_TARGET_DIR:-$$PWD/target}} \
		$(CARGO) bench $(CARGO_FLAGS) -p troth-attest --bench engine --bench receipts --bench verify
# What screening costs: the views, many terms.
	$(CARGO) bench $(CARGO_FLAGS) -p troth-policies --bench views --bench lexicon
# A decision's cost, by the number of policies.
	$(CARGO) bench $(CARGO_FLAGS) -p troth-policies --bench judge

chaos: runtime venv tools ## the long form of the fault tests: every byte, many kills; in release
	$(CARGO) build $(CARGO_FLAGS) --release --workspace --lib --bins --tests --examples
	TROTH_CHAOS=1 $(CARGO) test $(CARGO_FLAGS) --release --workspace --lib --bins --tests -- chaos --nocapture

evasion: ## every attack of the shipped bundles through every row of the evasion matrix, and the shares caught
	TROTH_EVASION=1 $(CARGO) test $(CARGO_FLAGS) -p troth-policies --lib example::evasion -- --nocapture

fuzz: ## fuzz what reads others' bytes for FUZZ_SECONDS each (20; the long form is 600), on nightly
	@sh tests/fuzz/run.sh

runtime: ## fetch the ONNX Runtime library, by pinned digest
	@sh classifiers/runtime/fetch.sh

venv: ## make the Python environment of the tests
	@sh tests/python/setup.sh

tools: ## install the system's programs that tests run
	@sh tests/tools.sh

fmt: ## format the sources
	$(CARGO) fmt --all

lint: ## formatting and lints, as CI runs them
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then set -x; $(CARGO) deny --config .deny.toml check; fi
