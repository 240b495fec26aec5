# Everything this project does, from a machine with Python ≥ 3.11, make and git.
# A target with `## text` shows up in `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# What a user may set:  make reproduce PERSONS=1000000 SEED=2 LANGUAGE=en DIRT=none
PERSONS ?= 300000
SEED ?= 1
LANGUAGE ?= nl
OUT ?= output
# errors in the synthetic deliveries: none, realistic, everything
DIRT ?= realistic
# a delivery of one's own instead of the synthetic one:  make reproduce DATA=path LAYOUT=auto SECRET=file
DATA ?=
LAYOUT ?= auto
LAYOUTS ?=
SECRET ?=

# the world, its raw files, and the register made of them
WORLD := data/synthetic-$(PERSONS)-$(SEED)
DELIVERY := $(WORLD)/delivery-$(DIRT)
ifeq ($(DATA),)
REGISTER := $(WORLD)/store-$(DIRT)
else
REGISTER := data/$(notdir $(patsubst %/,%,$(DATA)))-$(LAYOUT)/register
endif

TOOLKIT_CODE := $(shell find toolkit -name '*.py' -o -name '*.toml' -o -name '*.j2' -o -name '*.css' 2>/dev/null)
WORLD_CODE := $(shell find synthetic_data -path synthetic_data/deliver -prune -o -name '*.py' -print 2>/dev/null) \
	$(wildcard toolkit/registers/*.py)
DELIVER_CODE := $(shell find synthetic_data/deliver toolkit/registers/layouts -name '*.py' -o -name '*.toml' 2>/dev/null)
INTAKE_CODE := $(shell find toolkit/registers -name '*.py' -o -name '*.toml' 2>/dev/null)
REGISTER_STUDIES := durable_outflow repeat_unemployment net_effect
ifeq ($(DATA),)
REGISTER_STUDIES += srg_quality
endif
STUDIES := $(REGISTER_STUDIES) school_to_work
CHAPTERS := $(STUDIES:%=$(OUT)/%/chapter.json)

.PHONY: help setup reproduce test validation lint types check-code format bench calibrate fuzz notebooks lock clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; awk '/^# What a user may set:/ {sub(/^# /, ""); print "  " $$0}' $(MAKEFILE_LIST)

# --- the environment -----------------------------------------------------------------------------

setup: $(VENV)/.ready ## make .venv from requirements.lock (the other targets do this themselves)

$(VENV)/.ready: requirements.lock requirements-data.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11: make setup PYTHON=python3.12"; exit 2; }
	@echo "making $(VENV) from requirements.lock …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --require-hashes --no-deps -r requirements-data.lock \
	  || echo "the example panel could not be installed: school_to_work will say how to give a file"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# --- the main job --------------------------------------------------------------------------------

reproduce: $(OUT)/report.html ## simulate, deliver raw files, take them in, run the studies, write the report
	@echo "done: open $(OUT)/report.html"

ifeq ($(DATA),)
$(WORLD)/register/register.json: $(WORLD_CODE) | $(VENV)/.ready
	$(BIN)/reintegratie simulate $(WORLD) --persons $(PERSONS) --seed $(SEED)

$(DELIVERY)/ledger.parquet: $(WORLD)/register/register.json $(DELIVER_CODE)
	$(BIN)/reintegratie deliver $(WORLD)/register $(DELIVERY) --dirt $(DIRT) --seed $(SEED)

$(REGISTER)/register.json: $(DELIVERY)/ledger.parquet $(INTAKE_CODE)
	$(BIN)/reintegratie ingest $(DELIVERY)/raw $(REGISTER) --secret $(DELIVERY)/secret.key
else
$(REGISTER)/register.json: $(shell find $(DATA) -type f 2>/dev/null) $(INTAKE_CODE) | $(VENV)/.ready
	$(BIN)/reintegratie ingest $(DATA) $(REGISTER) --layout $(LAYOUT) \
	  $(if $(LAYOUTS),--layouts $(LAYOUTS)) $(if $(SECRET),--secret $(SECRET))
endif

# Which register and language the output was made from; changes when they do.
$(OUT)/.made-from: FORCE
	@mkdir -p $(OUT)
	@echo "$(REGISTER) $(LANGUAGE)" | cmp -s - $@ || echo "$(REGISTER) $(LANGUAGE)" > $@
.PHONY: FORCE
FORCE:

$(REGISTER_STUDIES:%=$(OUT)/%/chapter.json): $(OUT)/%/chapter.json: analyses/%.py $(wildcard analyses/_*.py) \
	  $(TOOLKIT_CODE) $(REGISTER)/register.json $(OUT)/.made-from | $(VENV)/.ready
	$(BIN)/reintegratie run $* $(REGISTER) --out $(OUT)/$* --language $(LANGUAGE)

$(OUT)/school_to_work/chapter.json: analyses/school_to_work.py analyses/sequences.py $(wildcard analyses/_*.py) \
	  $(TOOLKIT_CODE) $(OUT)/.made-from | $(VENV)/.ready
	$(BIN)/reintegratie run school_to_work --out $(OUT)/school_to_work --language $(LANGUAGE)

$(OUT)/report.html: $(CHAPTERS)
	$(BIN)/reintegratie report $(OUT) --register $(REGISTER) --language $(LANGUAGE)

# --- checks --------------------------------------------------------------------------------------

test: $(VENV)/.ready ## run the tests (under 8 minutes)
	@mkdir -p $(OUT)
	$(BIN)/python -m pytest --validation=$(OUT)/validation.json
	$(BIN)/python tests/validation_page.py --check $(OUT)/validation.json

validation: $(VENV)/.ready ## renew docs/validation.md: our numbers beside the references'
	@mkdir -p $(OUT)
	$(BIN)/python -m pytest tests/unit tests/oracle tests/simulation --validation=$(OUT)/validation.json
	$(BIN)/python tests/validation_page.py $(OUT)/validation.json

lint: $(VENV)/.ready ## ruff: style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready ## mypy, strict
	$(BIN)/mypy

check-code: lint types test ## lint, types and tests, as the CI does

format: $(VENV)/.ready ## let ruff format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

calibrate: $(VENV)/.ready ## the slow checks: the world at 1M persons, the ledger of errors, coverage of intervals, effects in known worlds (some hours)
	COVERAGE_REPLICATES=2000 $(MAKE) validation
	$(BIN)/reintegratie simulate data/calibrate --persons 1000000 --seed $(SEED) --strict
	LEDGER_PERSONS=100000 $(BIN)/python -m pytest -n 0 tests/pipeline/test_ledger.py

fuzz: $(VENV)/.ready ## any bytes at all into the readers, for some minutes
	FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest tests/fuzz

bench: $(VENV)/.ready ## measure speed and memory beside peers and the plain count (many minutes)
	$(BIN)/python benchmarks/survival.py
	$(BIN)/python benchmarks/matching.py
	$(BIN)/python benchmarks/risk_sets.py
	$(BIN)/python benchmarks/propensity.py
	$(BIN)/python benchmarks/trajectories.py
	$(BIN)/python benchmarks/simulate.py
	$(BIN)/python benchmarks/readers.py
	$(BIN)/python benchmarks/job_months.py
	$(BIN)/python benchmarks/intake.py

notebooks: $(VENV)/.ready ## run the notebooks and keep them with their output in output/notebooks
	@mkdir -p $(OUT)/notebooks
	for file in notebooks/*.py; do \
	  $(BIN)/jupytext --to ipynb --execute --output $(OUT)/notebooks/$$(basename $$file .py).ipynb $$file; \
	done

lock: ## renew requirements.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate --extra dev --upgrade pyproject.toml --output-file requirements.lock

clean: ## remove what make made, except .venv
	rm -rf data $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis
