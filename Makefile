# Everything from a fresh clone: needs git, make and a python3 with its venv module. Darkroom itself runs on Python
# 3.11, 3.12 or 3.13: uv takes one that is installed, else fetches one. `make PYTHON=3.12` asks for that one.
PYTHON ?= >=3.11,<3.14
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.installed
INSTALLED := $(shell cat $(DONE) 2>/dev/null)
LOCK ?= $(or $(INSTALLED),requirements.lock)
UV := .uv/bin/uv
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: setup demo up test test-all test-hosts lint bench bench-gpu lock clean

setup: $(DONE)

$(DONE): $(LOCK) pyproject.toml $(UV)
	@test -x $(BIN)/python || $(UV) venv -qq --clear --python '$(PYTHON)' $(VENV) || { echo "Darkroom needs Python 3.11, 3.12 or \
	3.13, and uv neither finds nor fetches one ($(UV) venv --python '$(PYTHON)' tells why): install one."; exit 1; }
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode $(LOCK)
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	echo $(LOCK) > $@

ifneq ($(LOCK),$(INSTALLED))
.PHONY: $(DONE)  # another lock is asked for than is installed
endif

# uv of the locked version, from its entry in the lock, hashes and all.
$(UV): $(LOCK)
	python3 -m venv .uv
	sed -n '/^uv==/,/# via/p' $(LOCK) > .uv/uv.lock
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .uv/uv.lock
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
	$(PYTEST) -m "not slow and not hosts"

# Also what is marked slow: the stack by its forms, an object store, clusters of two nodes, the wheel, memory.
test-all: setup
	$(PYTEST) -m "not hosts"

# Namespaces as machines that lose power, their link, their servers: needs root and iproute2.
test-hosts: setup
	$(BIN)/pytest tests/hosts

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.manifests

bench: setup
	$(BIN)/python -m tests.bench

bench-gpu: setup
	$(BIN)/python -m tests.bench.gpu

lock: setup
	$(COMPILE) --extra s3 --extra gcs --extra mlflow --extra heic --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) --extra s3 --extra gcs --extra mlflow --extra heic --extra dev --extra gpu --constraint requirements.lock \
		pyproject.toml -o requirements-gpu.lock

clean:
	rm -rf $(VENV) .uv demo .pytest_cache .mypy_cache .ruff_cache
