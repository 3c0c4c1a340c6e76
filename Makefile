# Every command of the project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help venv lock images generate manifests

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.installed ## create .venv with both extras, the development tools and all entry points

$(VENV)/.installed: pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) must be Python 3.11 or newer: install it, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml

lock: venv ## refresh requirements/*.txt from pyproject.toml (UPGRADE=1: to the newest versions)
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra operator --extra importer --extra dev -o requirements/dev.txt
	$(LOCK) --extra operator --constraint requirements/dev.txt -o requirements/operator.txt
	$(LOCK) --extra importer --constraint requirements/dev.txt -o requirements/importer.txt

images: venv ## build the container images that changed, and say how large they are
	$(BIN)/python -m oci

generate: venv ## write crds/ from the models in cdi_operator/api
	$(BIN)/python -m cdi_operator.api.generate

manifests: venv ## render the chart to manifests/cdi.yaml
	$(BIN)/python -m manifests.render
