# make demo    set up and run the main job on planted videos        make test    set up and run every test
# make setup   .venv with the package and its native build           make lint    ruff, mypy, clang-format
# make docs    the documentation site, in build/site                make notebooks  run those of examples/ again
# make bench   time the ops against the libraries they replace
# make sanitize            the ops under the address, undefined-behaviour and thread sanitizers
# make gpu-check           on a GPU machine: build beside its torch, CUDA tests, compute-sanitizer, benchmark
# make fuzz [SECONDS=600]  wrong and right arguments for the ops, damaged and whole videos
PYTHON ?= python3
BIN := .venv/bin
NATIVE := CMakeLists.txt setup.py $(wildcard tools/*.py csrc/*.cpp csrc/*/*)
CXX_FILES := $(wildcard csrc/*.cpp csrc/*/*.h csrc/*/*.cpp csrc/*/*.cu csrc/*/*.cuh tests/csrc/*.cpp tests/csrc/*.h tests/csrc/*/*.h tests/second_device/*.cpp)

# Without an NVIDIA driver, torch without CUDA: a tenth of the download. A machine that tells pip where to find
# packages is left to it.
OWN_SOURCES := $(or $(shell command -v nvidia-smi),$(PIP_FIND_LINKS),$(PIP_INDEX_URL),$(PIP_EXTRA_INDEX_URL))
TORCH_INDEX ?= $(if $(OWN_SOURCES),,--extra-index-url https://download.pytorch.org/whl/cpu)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Worker threads that wait must not spin: on a busy machine they take the cores from those that work.
export OMP_WAIT_POLICY := passive

.PHONY: setup demo test lint docs notebooks bench sanitize fuzz gpu-check clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --retries 1 --constraint constraints.txt torch $(TORCH_INDEX)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/ace3d-fast demo

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CXX_FILES)

docs: setup
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/site

notebooks: setup
	OMP_NUM_THREADS=1 $(BIN)/python tools/run_notebooks.py

sanitize: sanitize-address sanitize-thread

sanitize-%: setup
	tools/sanitize.sh $*

fuzz: SECONDS ?= 60
fuzz: setup
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz_ops.py --seconds $(SECONDS)
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz_videos.py --seconds $(SECONDS)

gpu-check:
	$(PYTHON) tools/gpu_check.py

bench: setup
	for file in $(filter-out %/bench_cuda.py,$(wildcard benchmarks/bench_*.py)); do OMP_NUM_THREADS=1 $(BIN)/python $$file || exit 1; done

clean:
	rm -rf build .venv ace3d_fast/*.so
