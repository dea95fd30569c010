# `make` alone lists the targets. Everything happens inside .venv; stamps in it tell what is installed already.

# What the person typed, as it stands: a path may hold blanks, quotes and dollar signs.
override DICOM := $(value DICOM)
export DICOM

# Where it is set, each of the hundreds of processes that tests start compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

INSTALL = tools/uv.sh pip install --python .venv/bin/python --constraints constraints.txt
# One more than two cores: stories often wait for what they started.
PYTEST = .venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-all lint format bench docs constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv/.core ## run the main job on a made-up hospital, or on your own files: make demo DICOM=/folder
	@.venv/bin/cohortium demo $${DICOM:+-- "$$DICOM"}

serve: .venv/.core ## open the archive of the demo in a browser (the one of DICOM=/folder, if given; PORT=8765)
	@.venv/bin/cohortium serve --config cohortium-demo$${DICOM:+-own}/cohortium.toml $(if $(PORT),--port $(PORT))

test: .venv/.all ## run every test on small samples
	@tools/system.sh
	@$(PYTEST)

test-all: .venv/.all ## run every test on full samples
	@tools/system.sh
	@COHORTIUM_TEST_FULL=1 $(PYTEST)

lint: .venv/.all ## check style, types and layers
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo

format: .venv/.all ## rewrite the code in the project's style
	@.venv/bin/ruff check --quiet --fix
	@.venv/bin/ruff format --quiet

bench: .venv/.all ## measure speed, memory, peers and what leaks, marks by MIDI-B, how much text a reader finds, DICOMweb, C-STORE and backups
	@.venv/bin/python bench/deidentify.py
	@.venv/bin/python bench/presets.py
	@.venv/bin/python bench/peers.py
	@.venv/bin/python bench/midi.py
	@.venv/bin/python bench/midi.py --protocol bench/pixels.toml
	@.venv/bin/python bench/ocr.py
	@.venv/bin/python bench/dicomweb.py
	@.venv/bin/python bench/stow.py
	@.venv/bin/python bench/receive.py
	@.venv/bin/python bench/spool.py
	@.venv/bin/python bench/chain.py
	@.venv/bin/python bench/gateway.py
	@.venv/bin/python bench/check.py
	@.venv/bin/python bench/delivery.py
	@.venv/bin/python bench/tables.py
	@.venv/bin/python bench/index.py
	@.venv/bin/python bench/zips.py
	@.venv/bin/python bench/objects.py
	@.venv/bin/python bench/backup.py

docs: .venv/.all ## write the generated parts of docs/ anew
	@.venv/bin/python tools/reference.py

constraints: .venv/.venv ## lock the newest versions that fit pyproject.toml
	@tools/uv.sh pip compile --universal --upgrade --all-extras --python-version 3.11 \
		--no-annotate --no-header --no-emit-index-url --output-file constraints.txt pyproject.toml

clean: ## remove .venv and what the tools left
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

.venv/.venv: tools/bootstrap.sh
	@echo "Preparing .venv" >&2
	@tools/bootstrap.sh .venv
	@touch $@

.venv/.core: .venv/.venv pyproject.toml constraints.txt
	@echo "Installing Cohortium" >&2
	@$(INSTALL) --editable .
	@touch $@

.venv/.all: .venv/.core tools/xnatpy.txt
	@echo "Installing what tests and linters need" >&2
	@torch=$$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' constraints.txt); [ -z "$$torch" ] || .venv/bin/pip install --quiet "$$torch"
	@$(INSTALL) --requirements pyproject.toml --all-extras
	@.venv/bin/python tools/xnatpy.py .venv/xnatpy
	@touch $@
