# Every target sets up what it needs: `make demo` and `make test` work on a fresh clone.
# Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PINS := constraints.txt
EXTRA := dev
PACKAGING := pyproject.toml $(PINS)
CODE := src tests $(wildcard bench)
# One thread a process: workers share the cores, and results are the same bit by bit. Compiled files are kept: many tests
# start the program.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist worksteal
WORKERS ?= 2

.PHONY: setup demo test test-long test-floor docs coverage check format lint types imports wheel bench clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

setup: $(VENV)/.dev

$(VENV)/.run: $(PACKAGING)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --constraint $(PINS) hatchling
	@$(PIP) --constraint $(PINS) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) --constraint $(PINS) --no-build-isolation --editable '.[$(EXTRA)]'
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) --constraint $(PINS) --no-build-isolation --editable '.[$(EXTRA),bench]'
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/tenfold demo
	@echo '         . $(VENV)/bin/activate   # puts tenfold on the PATH'

test: setup
	@$(PYTEST) --numprocesses $(WORKERS) -m "not slow"

# Kills, experiments and the longer oracles.
test-long: setup
	@$(PYTEST) --numprocesses $(WORKERS) -m slow

# The tests again on the oldest versions that pyproject.toml admits.
test-floor:
	@$(MAKE) VENV=.venv-floor PINS=constraints-floor.txt EXTRA=test test

check: format lint types imports wheel

format: setup
	@$(BIN)/ruff format --check --quiet $(CODE) || { echo "not formatted: run $(BIN)/ruff format $(CODE)"; exit 1; }

lint: setup
	@$(BIN)/ruff check --quiet $(CODE)

types: setup
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(PYTEST) --quiet --no-header -m slow tests/test_public.py

imports: setup
	@said=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }

# The wheel alone, away from the checkout: it must hold everything that the package needs.
wheel: setup
	@rm -rf build/wheel && mkdir -p build/wheel
	@$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel . >build/wheel/log 2>&1 || { cat build/wheel/log; exit 1; }
	@$(PIP) --no-deps --target build/wheel/site build/wheel/*.whl
	@python="$$PWD/$(BIN)/python" && site="$$PWD/build/wheel/site" && cd / && export PYTHONPATH="$$site" PYTHONDONTWRITEBYTECODE=1 && \
	"$$python" -c 'import pathlib, sys, tenfold; \
	home = pathlib.Path(tenfold.__file__).parent; \
	sys.exit(0 if home == pathlib.Path(sys.argv[1]) / "tenfold" and (home / "py.typed").is_file() else f"imported from elsewhere, or without py.typed: {home}")' "$$site" && \
	"$$python" "$$site/bin/tenfold" --version

# The documentation as a site in build/docs; a warning is an error.
docs: setup
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/docs
	@echo "build/docs/index.html"

coverage: setup
	@$(PYTEST) --numprocesses $(WORKERS) -m "not slow" --cov=tenfold --cov-report=term-missing:skip-covered

bench: $(VENV)/.bench
	@$(BIN)/python -m bench $(ARGS)

clean:
	@rm -rf $(VENV) .venv-floor build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
