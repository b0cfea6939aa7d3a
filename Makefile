# Everything needed is set up in .venv, with the versions of requirements.txt.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Of `make reproduce`: the folder with MNIST's four files, seeds, and a config's name (all, if there is none).
MNIST := data/mnist
SEEDS := 1
NAME :=

.PHONY: help run test lint check bench parity reproduce build clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(READY) ## set up, train LeNet on the bundled digits, say what to look at
	$(BIN)/dlcli train configs/mnist_lenet.yaml --overwrite
	@echo
	@echo "Look at it:"
	@echo "  $(BIN)/dlcli evaluate runs/mnist-lenet    error and confusion matrix on the test set"
	@echo "  $(BIN)/dlcli plot runs/mnist-lenet        learning curves"
	@echo "  $(BIN)/dlcli summary runs/mnist-lenet     the network"

test: $(READY) ## set up, run the tests
	$(BIN)/python -m pytest -n 2

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test ## all that CI checks

bench: $(READY) ## time dlcli beside PyTorch and scikit-learn (installs them)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 scikit-learn==1.9.1
	$(BIN)/python -m bench

parity: $(READY) ## compare 100 steps of SGD with PyTorch's (installs it)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pytest -p no:cacheprovider -o python_files=parity.py -o filterwarnings=default bench/parity.py

reproduce: $(READY) ## train the papers' nets on MNIST=FOLDER (NAME=one SEEDS="1 2 3"), write docs/reproductions.md
	$(BIN)/python -m docs.reproduction --mnist '$(MNIST)' --seeds $(SEEDS) -- $(NAME)

build: $(READY) ## make the wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove what was set up and made, but for runs
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dlcli needs Python 3.11 or newer; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
