# `make demo` and `make test` need python3 (with venv) and a package index, nothing else.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

.PHONY: demo demo-cluster test test-lowest coverage lint format benchmark benchmark-kernels dictionaries figures docs docs-site sample-images release clean help
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

demo: .venv/installed-demo ## restore a sample picture and draw before / after in demo/
	@$(BIN)/python docs/figures.py demo denoise --keep-results

demo-cluster: .venv/installed-cluster ## restore the sample pictures on a Dask cluster of this machine
	@$(BIN)/python -m benchmarks.demo_cluster

test: .venv/installed-test ## run the whole test suite
	@$(BIN)/python -m pytest

test-lowest: .venv/made ## run TESTS (all) with the oldest versions that pyproject.toml allows: PYTHON=python3.10
	@$(PIP) install 'uv>=0.5'
	@$(PYTHON) -m venv --clear build/lowest
	@$(BIN)/uv pip install --quiet --python build/lowest --resolution lowest-direct --editable '.[test]'
	@build/lowest/bin/python -m pytest $(TESTS)

coverage: .venv/installed-coverage ## measure which lines the tests reach, those of kernels with the JIT off
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest
	@NUMBA_DISABLE_JIT=1 $(BIN)/coverage run -m pytest -W ignore::RuntimeWarning
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: .venv/installed-lint ## check style, format, spelling, types, docstrings and the floors of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/numpydoc lint $$(find restore -name '*.py')

format: .venv/installed-lint ## format the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

benchmark: .venv/installed-peers ## measure against the peers: DATA=folder ONLY="denoising"
	@$(BIN)/python -m benchmarks $(if $(DATA),--data "$(DATA)") $(ONLY)

benchmark-kernels: .venv/installed-kernels ## time the compiled kernels one by one
	@$(BIN)/python -m pytest benchmarks/kernels --benchmark-columns=median,iqr,rounds

dictionaries: .venv/installed-demo ## learn the packaged dictionaries anew from PHOTOS=folder
	@test -n "$(PHOTOS)" || { echo "say where photos/, bsds/ and t91/ are: make dictionaries PHOTOS=folder" >&2; exit 2; }
	@$(BIN)/restore train "$(PHOTOS)/bsds" "$(PHOTOS)/photos" --grey --shrink 2 --patches 400000 \
		--iterations 60 --overwrite -o restore/data/grey.npz
	@$(BIN)/restore train "$(PHOTOS)/photos" --colour --shrink 3 --iterations 40 --overwrite \
		-o restore/data/colour.npz
	@$(BIN)/python -m training.compression "$(PHOTOS)"
	@for scale in 2 3 4; do $(BIN)/restore train "$(PHOTOS)/bsds" "$(PHOTOS)/photos" "$(PHOTOS)/t91" \
		--model super-resolution --scale $$scale --overwrite -o restore/data/sr$$scale.npz || exit; done

figures: .venv/installed-demo ## draw the pictures of the README from sample_images/
	@$(BIN)/python docs/figures.py docs/figures

docs: .venv/installed-demo ## put options and measured tables on the pages, and write the manual page
	@$(BIN)/python docs/commands.py
	@$(BIN)/python docs/manual.py
	@$(BIN)/python -m benchmarks --pages

docs-site: .venv/installed-docs ## build the site of the pages in build/site; warnings are errors
	@$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/doctrees . build/site
	@echo "the site begins at build/site/index.html"

sample-images: .venv/installed-demo ## make sample_images/ anew
	@$(BIN)/python sample_images/make.py

release: .venv/installed-release ## build, check, install and try the distributions in dist/
	@rm -rf dist build/smoke
	@$(BIN)/python -m build --outdir dist .
	@$(BIN)/python -m twine check --strict dist/*
	@find dist -name '*.whl' -size -40M | grep -q . || { echo "the wheel is larger than 40 MB" >&2; exit 1; }
	@$(PYTHON) -m venv --clear build/smoke
	@build/smoke/bin/python -m pip -qq --disable-pip-version-check install dist/*.whl
	@cd build/smoke && bin/restore denoise ../../sample_images/camera-noisy.png -o denoised.png --overwrite
	@cd build/smoke && bin/restore compare ../../sample_images/camera-clean.png denoised.png
	@test -f build/smoke/share/man/man1/restore.1
	@ls -lh dist

clean: ## remove everything that make made
	rm -rf .venv demo benchmarks/quick build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache

# The environment: made once, extended by each target that needs more, renewed with pyproject.toml.
.venv/made:
	@echo "making the virtual environment .venv (once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "restore needs Python 3.10 or newer; name one with: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/installed-demo: .venv/made pyproject.toml
	@echo "installing restore into .venv"
	@$(PIP) install --editable .
	@touch $@

.venv/installed-%: .venv/installed-demo
	@echo "installing what 'make $(MAKECMDGOALS)' needs into .venv"
	@$(PIP) install --editable '.[$*]'
	@touch $@
