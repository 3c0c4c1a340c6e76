# Every command of the project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m

.DEFAULT_GOAL := help
.PHONY: help run install status down images manifests generate test test-unit test-transfer test-api test-e2e fuzz bench bench-control bench-scale \
	lint format venv lock

help: ## list the commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: venv ## the whole story: cluster, images, install, import a Debian, verify it, boot it
	@$(RUN) demo

install: venv ## a cluster with this checkout's controller on it
	@$(RUN) demo.install

status: venv ## how the cluster is, and what is installed and imported on it
	@$(RUN) demo.status

down: venv ## end the cluster and remove everything it left on this machine
	@$(RUN) devcluster down

images: venv ## build the container images that changed, and say how large they are
	@$(RUN) oci

manifests: venv ## render the chart to manifests/cdi.yaml
	@$(RUN) manifests.render

generate: venv ## write crds/ from the models in cdi_operator/api
	@$(RUN) cdi_operator.api.generate

test: venv ## unit, transfer, API and end-to-end tests (ARGS: further arguments of pytest)
	@$(RUN) tests.tiers unit transfer api e2e $(ARGS)

test-unit: venv ## the tests without I/O: seconds
	@$(RUN) tests.tiers unit $(ARGS)

test-transfer: venv ## the worker against real servers and QEMU on this machine: two minutes
	@$(RUN) tests.tiers transfer $(ARGS)

test-api: venv ## against a real API server: two minutes
	@$(RUN) tests.tiers api $(ARGS)

test-e2e: venv ## against the whole cluster: ten minutes
	@$(RUN) tests.tiers e2e $(ARGS)

SECONDS ?= 60
fuzz: venv ## broken images: our decoders against QEMU's, for SECONDS=60 (ARGS: --seed N, --format qcow2)
	@$(RUN) tests.fuzz --seconds $(SECONDS) $(ARGS)

bench: venv ## how fast and small imports are, against the plain tools and the machine's limits (ROWS=..., RUNS=..., SIZE=...)
	@$(RUN) bench.data $(if $(ROWS),--rows "$(ROWS)") $(if $(RUNS),--runs $(RUNS)) $(if $(SIZE),--size $(SIZE)) $(ARGS)

bench-control: install ## how long a DataVolume takes, stage by stage, and what the controller pays for it
	@$(RUN) bench.control

bench-scale: venv ## the controller among 1,000 DataVolumes and 10,000 claims and pods of others: minutes (ARGS: --volumes N, --strangers N)
	@$(RUN) bench.scale $(ARGS)

lint: venv ## style, types, layers, and whether generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(RUN) cdi_operator.api.generate --check
	$(RUN) manifests.render --check

format: venv ## let ruff lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venv: $(VENV)/.installed ## create .venv with both extras, the development tools and all entry points

$(VENV)/.installed: pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) must be Python 3.11 or newer: install it, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing: apt install python3-venv" >&2; exit 1; }
	@echo "installing the Python packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml

lock: venv ## refresh requirements/*.txt from pyproject.toml (UPGRADE=1: to the newest versions)
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra operator --extra importer --extra dev -o requirements/dev.txt
	$(LOCK) --extra operator --constraint requirements/dev.txt -o requirements/operator.txt
	$(LOCK) --extra importer --constraint requirements/dev.txt -o requirements/importer.txt
