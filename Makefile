# Two commands are enough on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PDFS   ?=
TORCH  ?= 2.13.0

.PHONY: help demo test test-training check format types lock build course bench clean

help:
	@echo "make demo [PDFS=folder]   set up, start a stack, and go from PDFs to a cited answer"
	@echo "make test                 set up and run all tests"
	@echo "make test-training        install PyTorch and what trains models, and run the tests that need it"
	@echo "make check                ruff, mypy and the house tests"
	@echo "make format               let ruff format and fix"
	@echo "make types                regenerate what is generated from botocore's models"
	@echo "make course               render the course's PDFs into build/course"
	@echo "make bench                run the benchmarks"
	@echo "make lock                 renew the lock files"
	@echo "make build                build the wheel into dist/"

# One environment for users (requirements.lock), completed for developers (requirements-dev.lock).

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Outcrop needs Python 3.11 or newer; $(PYTHON) is older. Say: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Outcrop and what it needs (about 150 MB, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	@echo "Installing the development tools ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/installed
	@$(BIN)/python examples/demo.py $(if $(PDFS),--pdfs "$(PDFS)")

test: $(VENV)/installed-dev
	@$(BIN)/outcrop models pull all-MiniLM-L6-v2
	@$(BIN)/python -m pytest -m "not training"

$(VENV)/installed-training: pyproject.toml $(VENV)/installed-dev
	@echo "Installing PyTorch and transformers ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==$(TORCH)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[training]'
	@touch $@

test-training: $(VENV)/installed-training
	@$(BIN)/python -m pytest -m training

check: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/house

format: $(VENV)/installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)/installed-dev
	@$(BIN)/python tools/generate_routes.py
	@$(BIN)/python tools/generate_types.py
	@$(BIN)/python tools/generate_coverage.py

course: $(VENV)/installed
	@$(BIN)/python tools/build_course.py build/course

bench: $(VENV)/installed-dev
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.stages

lock: $(VENV)/installed-dev
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --extra course --generate-hashes --no-header -o requirements.lock
	@$(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --extra dev --generate-hashes --no-header -o requirements-dev.lock

build: $(VENV)/installed-dev
	@$(BIN)/python -m pip wheel --quiet --no-deps -w dist .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
