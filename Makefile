# make test: set everything up and pass the tests. make help: the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILED := $(shell sed -n 's/^    "\(src.*\.py\)",$$/\1/p' setup.py)

.PHONY: help install demo test check bench suites clean

help:
	@echo 'make install   make $(VENV) and install Skerry into it'
	@echo 'make demo      boot a system, do real work on it, and compare with this host'
	@echo 'make test      all tests, as CI runs them'
	@echo 'make check     format, lint, types and the quick tests'
	@echo 'make bench     measure beside native, PRoot and gVisor (BENCH=--quick for a first look, --apps for redis, nginx and more)'
	@echo 'make suites    compare the results of Python'\''s regression tests natively and inside (SUITES=test_os for some)'
	@echo 'make clean     remove what was built'

install: $(STAMP)

$(STAMP): pyproject.toml setup.py $(COMPILED) $(wildcard src/skerry/machine/native/*)
	@command -v cc >/dev/null || { echo 'no C compiler: install the Debian package gcc'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed: set PYTHON=...'; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo 'no venv module: install the Debian package python3-venv'; exit 1; }
	@$(PYTHON) -c 'import sysconfig, os, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
		|| { echo 'no Python.h: install the Debian package python3-dev'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing Skerry into $(VENV)'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: install
	@$(BIN)/skerry demo $(DEMO)

test: install
	@$(BIN)/python -m pytest -n auto
	@echo 'the same programs with Unix in a task of its own (--config mach)'
	@SKERRY_CONFIG=mach $(BIN)/python -m pytest -n auto --ignore tests/attacks/test_guards.py tests/conformance tests/attacks tests/cli tests/api

check: install
	@$(BIN)/ruff format --check src tests bench setup.py
	@$(BIN)/ruff check src tests bench setup.py
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -m 'not slow'

bench: install
	@$(BIN)/python -m bench $(BENCH)

suites: install
	@$(BIN)/python tests/suites/python/compare.py $(SUITES)

clean:
	@rm -rf $(VENV) build src/*.egg-info src/*.so src/skerry/*/*.so src/skerry/machine/stub
