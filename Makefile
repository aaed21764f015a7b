# `make help` lists the targets. Python 3.11 or newer and make are all they need.

PYTHON ?= python3
BENCH ?= all
SUBSCRIBERS ?= 10000
AUDIENCES ?= 500
PAPERS ?= 100000
PARTITIONED ?=
FUZZ_SECONDS ?= 20
FUZZ_SEED ?= 1

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.requirements
DEV_STAMP := $(VENV)/.requirements-dev
PAGES := tests/pages
PAGES_STAMP := $(PAGES)/node_modules/.installed

# What `check --deploy` looks at: a production installation, without its secrets.
DEPLOY := DEBUG=0 SECRET_KEY=only-for-the-check-$(shell printf 'x%.0s' $$(seq 50)) \
	SITE_URL=https://papers.example.org TRUSTED_PROXIES=1 DATABASE_URL=postgres://localhost/check \
	REDIS_URL=redis://localhost DEFAULT_FROM_EMAIL=digest@papers.example.org \
	POSTAL_ADDRESS=somewhere OPERATOR_EMAIL=you@example.org EMAIL_PROVIDERS=mailgun MAILGUN_API_KEY=key WEBHOOK_SECRET=a:b \
	MAILGUN_WEBHOOK_SIGNING_KEY=key UNSUBSCRIBE_EMAIL=

# Static files need no secret, only settings that are complete.
COMPLETE := DEBUG=0 SECRET_KEY=build DEFAULT_FROM_EMAIL=build@localhost POSTAL_ADDRESS=build \
	VAR_DIR=$(VENV)/build

.PHONY: help run test test-postgres test-sqlite bench lint audit sbom format docs static screenshots messages lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: $(RUN_STAMP) ## Start everything on http://127.0.0.1:8000, or at PORT=8001; Ctrl-C stops it
	@exec $(BIN)/python manage.py run

test: $(DEV_STAMP) $(PAGES_STAMP) ## Run the tests, on PostgreSQL and SQLite side by side, then all flows
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-postgres test-sqlite
	$(BIN)/python -m pytest -q -m flow --durations=20

test-postgres:
	$(BIN)/python -m tests.postgres -q -m "not flow"

test-sqlite:
	$(BIN)/python -m pytest -q -m "not flow"

bench: $(DEV_STAMP) ## Run the benchmarks; BENCH=delivery one of them, SUBSCRIBERS=100000 its size, FUZZ_SECONDS=20 of each target
	@$(BIN)/python -m tests.bench $(BENCH) --subscribers $(SUBSCRIBERS) --audiences $(AUDIENCES) \
		--papers $(PAPERS) --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) $(if $(PARTITIONED),--partitioned)

lint: $(DEV_STAMP) ## Formatter, linters, types, contracts, migrations, deployment checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit -q -c pyproject.toml -r config digest subscriptions
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(DEPLOY) $(BIN)/python manage.py check --deploy --fail-level WARNING

format: $(DEV_STAMP) ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(DEV_STAMP) ## Gather the texts that need a translation, and compile those that have one
	$(BIN)/python manage.py makemessages -l de --no-location --no-obsolete \
		-i $(VENV) -i "tests/*" -i var -i staticfiles
	$(BIN)/python manage.py compilemessages -i $(VENV)

docs: $(DEV_STAMP) ## Build the site of docs/ into site/
	@$(BIN)/python -m tests.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The site is in site/; open site/index.html, or, for its search, type:"
	@echo "  $(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8009"

audit: $(DEV_STAMP) ## Ask PyPI whether anything that is pinned has a known weakness
	$(BIN)/pip-audit --strict --disable-pip --no-deps --progress-spinner off -r requirements.txt

sbom: $(RUN_STAMP) $(DEV_STAMP) ## Write sbom.json, which lists what an installation is made of (CycloneDX)
	$(BIN)/cyclonedx-py requirements --of JSON -o sbom.json --pyproject pyproject.toml requirements.txt

static: $(RUN_STAMP) ## Gather the static files, as a server without Docker needs them
	@$(COMPLETE) $(BIN)/python manage.py collectstatic --noinput

screenshots: $(DEV_STAMP) ## Take the README's pictures from a real installation
	$(BIN)/python -m tests.screenshots

lock: $(DEV_STAMP) ## Pin the newest requirements again
	$(BIN)/pip-compile -q -U --strip-extras --no-header --no-emit-index-url --no-emit-find-links \
		--no-emit-options -o requirements.txt requirements.in
	$(BIN)/pip-compile -q -U --strip-extras --no-header --no-emit-index-url --no-emit-find-links \
		--no-emit-options -o requirements-dev.txt requirements-dev.in

clean: ## Remove the environment and caches; data under var/ stays
	rm -rf $(VENV) $(PAGES)/node_modules staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Daily Papers needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing (on Debian: apt-get install python3-venv)"; exit 1; }

$(RUN_STAMP): requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing requirements for development …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Without Node.js the tests that need these are skipped and say so; REQUIRE_SERVICES=1 fails them.
# No package runs a script: one of them would fetch a Java of its own.
$(PAGES_STAMP): $(PAGES)/package-lock.json $(PAGES)/package.json
	@if command -v npm >/dev/null; then \
		echo "Installing what judges the pages …"; \
		npm ci --prefix $(PAGES) --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	else \
		echo "No npm on PATH: the tests that judge pages by vnu and Lighthouse are skipped"; \
	fi
