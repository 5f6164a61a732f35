# Everything from a fresh clone: needs Python 3.11 or 3.12, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.installed
LOCK ?= requirements.lock
UV := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' $(LOCK))
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: setup demo up test lint bench bench-gpu lock clean

setup: $(DONE)

$(DONE): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
		|| { echo "Darkroom needs Python 3.11 or 3.12: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV)
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode $(LOCK)
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	rm -rf demo
	$(BIN)/darkroom sample demo/images
	@weights=imagenet; \
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -c 'from tasks.networks.architectures import load_base; load_base(150, "imagenet")' > /dev/null 2>&1 \
		|| { weights=none; echo "Pretrained weights cannot be downloaded here: MobileNetV2 starts from random weights."; }; \
	$(BIN)/darkroom retrain --images demo/images --store demo/store --weights $$weights --epochs 8 --batch-size 32
	$(BIN)/darkroom classify --images demo/images/seg_pred --store demo/store --output demo/predictions

up: setup
	$(BIN)/darkroom up

test: setup
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m tests.bench

bench-gpu: setup
	$(BIN)/python -m tests.bench.gpu

lock: setup
	$(COMPILE) --extra s3 --extra gcs --extra mlflow --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) --extra s3 --extra gcs --extra mlflow --extra dev --extra gpu --constraint requirements.lock \
		pyproject.toml -o requirements-gpu.lock

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
