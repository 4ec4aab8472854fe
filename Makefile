# Every target sets up what it needs: `make audit` and `make test` work on a machine
# that has Python 3.11 or newer and make, and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUTPUT ?= reports/out/audit

.PHONY: audit gate test check format lint types layers catalogue schemas prove study study-sdk study-ratelimit study-limiters bench clean help

help:             ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tollproof needs Python 3.11 or newer; run: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable . --group dev
	@touch $@

audit: $(STAMP)   ## audit the embedded reference deployment and say where the report is
	$(BIN)/tollproof audit --output $(OUTPUT)

gate: $(STAMP)    ## the same, only what takes seconds
	$(BIN)/tollproof gate --output reports/out/gate

# Tests of real servers and of load share their machine with whatever else runs on it:
# what fails is run once more by itself, and only what fails twice counts.
test: $(STAMP)    ## run the tests
	$(BIN)/python -m pytest -q -n 2 || \
	$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none

check: $(STAMP) lint types layers test prove ## everything CI runs

format: $(STAMP)  ## put the code in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)  ## dependencies point one way
	$(BIN)/lint-imports

# PROVE="--suite tokens" seeds only the faults of a suite.
prove: $(STAMP)   ## every seeded fault is noticed, and nothing else
	$(BIN)/tollproof prove $(PROVE)

catalogue: $(STAMP) ## write the generated pages of docs/ and the published schemas
	$(BIN)/tollproof catalogue --format markdown > docs/reference/checks.md
	$(BIN)/python -m tollproof.manual > docs/reference/command-line.md
	$(BIN)/python -m tollproof.profile > profiles/profile.schema.json

study: $(STAMP)   ## judge real verifiers and token endpoints (installs them in a cache)
	TOLLPROOF_STUDY=1 $(BIN)/python -m pytest -q tests/real/identity

study-sdk: $(STAMP) ## judge two releases of a real SDK and write the table of docs/
	$(BIN)/python -m bench.sdk_study

# COUNT="--count 3000 --seed 2" draws other audits.
study-ratelimit: $(STAMP) ## simulate thousands of rate-limit audits and count the wrong verdicts
	$(BIN)/python -m bench.ratelimit_study $(COUNT)

study-limiters: $(STAMP) ## measure released rate limiters and write the table of docs/
	$(BIN)/python -m bench.ratelimit_limiters

bench: $(STAMP)   ## figures as ratios: make bench, or make bench NAME=startup
	$(BIN)/python -m bench $(NAME)

clean:
	rm -rf $(VENV) reports/out build dist .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
