# Each target sets up what it needs. `make test` is what CI runs; CONTRIBUTING.md tells when to use which.
PYTHON3 ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
CARGO ?= cargo
SECONDS ?= 20

export PYO3_PYTHON := $(CURDIR)/$(PYTHON)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONHOME

ENGINE_SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find crates -not -name '*.md')

.PHONY: setup test lint fmt bench docs fuzz dist deps demo lock

setup: $(VENV)/engine.stamp  ## a .venv with the package and its engine in release mode

$(VENV)/locked.stamp: tools/locked.txt
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tidegate needs Python 3.11 or newer: make PYTHON3=…")'
	test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --requirement tools/locked.txt
	@touch $@

$(VENV)/engine.stamp: $(VENV)/locked.stamp $(ENGINE_SOURCES)
	PIP_QUIET=1 $(PYTHON) -m maturin develop --release --locked --quiet
	@touch $@

demo: setup  ## three small backends behind tidegate on 127.0.0.1:8080; Ctrl-C ends all of it
	@$(VENV)/bin/tidegate demo

# The Rust of crates/python is tested from Python: it is a module, and cannot be linked into a test program.
test: setup  ## all tests: Rust, Python, scenarios
	$(CARGO) test --workspace --exclude tidegate-python --locked --quiet
	$(PYTHON) -m pytest

lint: setup  ## formats, lints, types, stubs, import rules, licences, generated files
	$(PYTHON) -m ruff format --check --quiet
	$(PYTHON) -m ruff check --quiet
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy.stubtest --allowlist tools/stubtest.allow tidegate._engine
	$(CARGO) fmt --all --check
	PYO3_BUILD_EXTENSION_MODULE=1 $(CARGO) clippy --workspace --all-targets --locked --quiet -- -D warnings
	$(PYTHON) tools/imports.py
	$(PYTHON) tools/licences.py
	$(PYTHON) -m tools.documents --check

fmt:  ## formats everything
	$(PYTHON) -m ruff format --quiet
	$(PYTHON) -m ruff check --fix --quiet
	$(CARGO) fmt --all

bench: setup  ## CPU a request and the tail beside nginx and HAProxy, into bench/RESULTS.md; takes half an hour
	$(PYTHON) -m bench.run --strace --save $(ARGS)
	$(PYTHON) -m bench.tail --save

docs: setup  ## makes the generated files anew
	$(PYTHON) -m tools.documents
	$(CARGO) run --quiet --locked --package tidegate-engine --example tell_docs

fuzz:  ## each fuzz target for SECONDS
	tools/fuzz $(SECONDS)

dist: setup  ## the wheel, into dist/
	$(PYTHON) -m maturin build --release --locked --quiet --out dist

deps:  ## Debian's packages with the programs that tests and bench use; the one target that needs root
	tools/deps

lock:  ## the newest Python packages that pyproject.toml allows, into tools/locked.txt
	$(PYTHON3) tools/lock.py
