# Every target sets up what it needs: `make demo` and `make test` work on a fresh clone.
# Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PINS := constraints.txt
EXTRA := dev
PACKAGING := pyproject.toml $(PINS)
LANES := compile_lanes.py $(wildcard src/tenfold/engine/native/source/*)
CODE := src tests $(wildcard bench) compile_lanes.py
# One thread a process: workers share the cores, and results are the same bit by bit. Compiled files are kept: many tests
# start the program.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist worksteal
WORKERS ?= 2

.PHONY: setup demo test test-long test-frameworks test-some crash-points corruption fuzz test-floor docs coverage check format lint types imports wheel bench clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

setup: $(VENV)/.dev $(VENV)/.lanes

$(VENV)/.run: $(PACKAGING)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --constraint $(PINS) hatchling
	@needs=$$($(BIN)/python compile_lanes.py --needs); [ -z "$$needs" ] || $(PIP) --constraint $(PINS) $$needs || \
	echo "$$needs cannot be had: without a C++ compiler all is trained in packs, several times slower"
	@$(PIP) --constraint $(PINS) --no-build-isolation --editable .
	@touch $@

# The editable install has compiled them already; this is for their next change, and says how it went.
$(VENV)/.lanes: $(VENV)/.run $(LANES)
	@$(BIN)/python compile_lanes.py
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) --constraint $(PINS) --no-build-isolation --editable '.[$(EXTRA)]'
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) --constraint $(PINS) --no-build-isolation --editable '.[$(EXTRA),bench]'
	@touch $@

demo: $(VENV)/.lanes
	@$(BIN)/tenfold demo
	@echo '         . $(VENV)/bin/activate   # puts tenfold on the PATH'

test: setup
	@$(PYTEST) --numprocesses $(WORKERS) -m "not slow"

# Kills, experiments and the longer oracles.
test-long: setup
	@$(PYTEST) --numprocesses $(WORKERS) -m slow

# The pages on other training loops and logs, with Lightning, Hugging Face and MLflow installed: warnings are theirs.
test-frameworks:
	@$(MAKE) VENV=.venv-frameworks EXTRA=test,frameworks WHAT='-W default tests/test_docs.py -k "python_blocks_run and (diagnosis or watching)"' test-some

test-some: setup
	@$(PYTEST) --numprocesses $(WORKERS) $(WHAT)

# Every call of the system that changes a file of a run: killed before it, killed at half, refused. Some 2,750 points, an hour or more.
crash-points: setup
	@OMP_NUM_THREADS=1 $(BIN)/python tests/faults/crash_points.py --workers $(WORKERS)

# Flipped bits, zeroed blocks, cuts and exchanges of every kind of file of a run.
corruption: setup
	@OMP_NUM_THREADS=1 $(BIN)/python tests/faults/corruption.py

# Random tables, schemas, recipes and sequences of commands, others each time; 20,000 of each take hours.
FUZZ_EXAMPLES ?= 20000
fuzz: setup
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTEST) --numprocesses $(WORKERS) -m slow tests/fuzz

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

# The wheel alone, away from the checkout: it must hold everything that the package needs. Then the wheel that is built
# where no compiler works.
wheel: setup
	$(call try_wheel,wheel,env,compiled lanes)
	$(call try_wheel,wheel-without,env CC=false,packs)

# $(1): folder in build/; $(2): the environment of the build; $(3): the engine that must train.
define try_wheel
	@rm -rf build/$(1) && mkdir -p build/$(1)
	@$(2) $(BIN)/python -m build --wheel --no-isolation --skip-dependency-check --outdir build/$(1) . >build/$(1)/log 2>&1 || \
	{ cat build/$(1)/log; exit 1; }
	@$(PIP) --no-deps --target build/$(1)/site build/$(1)/*.whl
	@python="$$PWD/$(BIN)/python" && try="$$PWD/tests/try_wheel.py" && site="$$PWD/build/$(1)/site" && cd / && \
	env -u TENFOLD_ENGINE -u TENFOLD_LEVEL -u TENFOLD_LIBRARY PYTHONPATH="$$site" PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 \
	"$$python" -P "$$try" "$$site" "$(3)"
endef

# The documentation as a site in build/docs; a warning is an error.
docs: setup
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/docs
	@echo "build/docs/index.html"

coverage: setup
	@$(PYTEST) --numprocesses $(WORKERS) -m "not slow" --cov=tenfold --cov-report=term-missing:skip-covered

bench: $(VENV)/.bench
	@$(BIN)/python -m bench $(ARGS)

clean:
	@rm -rf $(VENV) .venv-floor src/tenfold/engine/native/libtenfold.* src/tenfold/engine/native/not_compiled.txt build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
