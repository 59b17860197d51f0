# make demo: install, then the main job on a synthetic corpus.  make test: install, then everything that CI checks.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES = precompute wser tests benchmarks
# Whatever the locale: the tests read and write files without naming an encoding.
export PYTHONUTF8 = 1
# Else each of the processes that the tests start compiles what it imports, and each worker every test.
unexport PYTHONDONTWRITEBYTECODE
# One process more than cores, at most 4, since many tests wait for others.  The files with the most tests are not the longest
# ones: in their own order, the processes end nearly together.
PROCESSES = --numprocesses $$(n=$$(nproc 2>/dev/null || echo 2); [ $$n -lt 4 ] && echo $$((n + 1)) || echo 4)
ORDER = --dist loadfile --no-loadscope-reorder

.PHONY: demo test clean lint types pytest

demo: $(VENV)/.installed
	$(BIN)/python -m precompute --corpus demo
	$(BIN)/python -m wser.run experiment=demo fold=all
	@echo; echo "one of its recordings, by the networks that have not learned from it:"
	@set -- $(BIN)/python -m wser.predict "$$(ls -td runs/demo-* | head -n 1)" "$${WSER_CORPORA:-corpora}/demo/F1/F1-1-angry.wav"; \
	  echo "$$*"; "$$@"

# Types are checked while the tests run, whose processes often wait.
test: lint
	@$(MAKE) --no-print-directory --jobs 2 types pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.installed-dev
	$(BIN)/mypy

pytest: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PROCESSES) $(ORDER)

# A Python without ensurepip makes environments without pip, and lends them its own.
PIP = $$([ -x $(BIN)/pip ] && echo $(BIN)/python -m pip || echo $(PYTHON) -m pip --python $(BIN)/python)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11: name a newer one, as in make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "installing into $(VENV): PyTorch makes it a few minutes"
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) corpora/demo cache/demo runs/demo-*
