# `make` alone lists the targets.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
SOURCES := $(shell find crates -name '*.rs') Cargo.toml Cargo.lock crates/numerics/Cargo.toml crates/bindings/Cargo.toml

.PHONY: help demo test lint docs check bench stan format clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.tools: pyproject.toml
	test -d $(VENV) || $(PY) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "maturin>=1.13,<2"
	touch $@

# An editable install: Python sources are used in place, the native module is built in release mode.
$(STAMP): $(VENV)/.tools $(SOURCES)
	@test -d target/release || echo "building the Rust core: the first build takes some minutes"
	PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin develop --release --quiet
	touch $@

$(VENV)/.dev: $(STAMP)
	$(BIN)/python -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"]))' > $(VENV)/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/dev.txt
	touch $@

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"]))' > $(VENV)/docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/docs.txt
	touch $@

demo: $(STAMP)  ## build, fit the sleepstudy model, write sleepstudy.png
	$(BIN)/partialpool fit sleepstudy "Reaction ~ Days + (Days | Subject)" --time --figure sleepstudy.png

test: $(VENV)/.dev  ## Rust and Python tests, and the README's code
	cargo test --release --quiet --workspace --exclude partialpool-bindings
	$(BIN)/python -m pytest -n auto --maxprocesses 4

lint: $(VENV)/.dev  ## rustfmt, clippy, ruff, pyright
	cargo fmt --all --check
	cargo clippy --release --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(VENV)/.docs  ## run every page of docs/, write the site to docs/_build/html
	$(BIN)/sphinx-build -E -W --keep-going -T -q -j 2 -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

check: lint test docs  ## what CI runs

bench: $(VENV)/.dev  ## benchmarks beside the peers (installs them), results in benchmarks/results.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check glmm==0.6.2 mixedlm==1.3.0 "statsmodels>=0.14"
	$(BIN)/python benchmarks/run_all.py

.venv-stan/.stamp:
	test -d .venv-stan || $(PY) -m venv .venv-stan
	.venv-stan/bin/python -m pip install --quiet --disable-pip-version-check "pystan>=3.10,<4" "setuptools<81"
	touch $@

stan: $(STAMP) .venv-stan/.stamp  ## compile our Stan programs by pystan (own environment), compare both posteriors
	$(BIN)/python benchmarks/stan_agreement.py --python .venv-stan/bin/python

format:  ## rewrite sources in the house format
	cargo fmt --all
	-$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

clean:  ## remove what the targets made
	rm -rf $(VENV) .venv-stan target docs/_build
