"""CUDA kernels without a GPU: run on the CPU by simt.h under sanitizers, and compiled for every GPU."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from emulated_library import COMPILE, KERNELS, ROOT, SANITIZE, build, run_checks

ARCHITECTURES = (80, 90, 100, 120)

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def test_emulated_ops_do_what_the_ops_of_the_cpu_do(tmp_path):
    result = run_checks(build(tmp_path, "address"), "address")
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_kernel_leaves_accesses_to_one_place_unordered(tmp_path, monkeypatch):
    monkeypatch.setenv("ACE3D_EXAMPLES", "0.1")
    result = run_checks(build(tmp_path, "thread"), "thread")
    assert result.returncode == 0, result.stdout + result.stderr


# One block of 64 threads, i the thread, over 64 zeros `at`, with 64 bytes of dynamic `shared` memory; and
# what is to be in them afterwards.
DOCUMENTED = [
    ("at[i] = i; __syncthreads(); const int x = at[63 - i]; __syncthreads(); at[i] = x;", "at[0] == 63"),
    ("at[i] = __shfl_down_sync(~0u, i, 1);", "at[0] == 1 && at[31] == 31 && at[32] == 33"),
    ("at[i] = __shfl_up_sync(~0u, i, 3);", "at[0] == 0 && at[2] == 2 && at[3] == 0 && at[63] == 60"),
    ("at[i] = __shfl_xor_sync(~0u, i, 5);", "at[0] == 5 && at[37] == 32"),
    ("if (i < 32) at[i] = __shfl_sync(~0u, i, 7);", "at[0] == 7 && at[40] == 0"),
    ("at[i] = __popc(__ballot_sync(~0u, i % 3 == 0));", "at[0] == 11 && at[63] == 11"),
    ("at[i] = __match_any_sync(~0u, i % 16) == (0x10001u << (i % 16));", "at[0] == 1 && at[47] == 1"),
    ("at[i] = __any_sync(~0u, i == 40) * 2 + __all_sync(~0u, i < 32);", "at[0] == 1 && at[63] == 2"),
    ("at[i] = __reduce_add_sync(~0u, i);", "at[0] == 496 && at[63] == 1520"),
    ("if (i % 2) at[i] = __reduce_add_sync(0xaaaaaaaau, i);", "at[0] == 0 && at[1] == 256"),
    ("at[i] = __reduce_min_sync(~0u, 7 - i) + __reduce_max_sync(~0u, i);", "at[0] == 7 && at[63] == 7"),
    ("at[i] = __reduce_or_sync(~0u, 1u << i % 5) + __reduce_and_sync(~0u, i % 2 + 6);", "at[63] == 37"),
    ("at[i] = __syncthreads_count(i % 4 == 0) * 10 + __syncthreads_or(i == 9);", "at[5] == 161"),
    ("if (i < 16) shared[i] = i; __syncthreads(); at[i] = shared[i % 16];", "at[63] == 15"),
    ("atomicAdd(at, i);", "at[0] == 2016"),
    ("atomicAdd((unsigned long long*)at, (3ull << 32) + i);", "at[0] == 2016 && at[1] == 192"),
    ("atomicMax(at, i); atomicMin(at + 1, -i);", "at[0] == 63 && at[1] == -63"),
    ("atomicOr(at, 1 << i % 8); atomicCAS(at + 1, i, i + 1);", "at[0] == 255 && at[1] == 64"),
    ("at[i] = __popcll(~0ull >> i) * 100 + __clzll(1ll << i);", "at[0] == 6463 && at[63] == 100"),
    ("at[i] = __ffsll(1ll << i) * 100 + __ffs(8) * 10 + __clz(1);", "at[0] == 171 && at[63] == 6471"),
]  # fmt: skip
SEEN = [
    ("if (i < 40) __syncthreads(); at[i] = 1;", "a barrier that not all threads reach"),
    ("if (i % 2) at[i] = __shfl_sync(~0u, i, 0);", "a barrier that not all threads reach"),
    ("at[i] = __shfl_sync(1u, i, 0);", "a thread outside the mask"),
    ("at[i + 1] = i;", "heap-buffer-overflow"),
    ("shared[i] = i;", "heap-buffer-overflow"),
]
NO_BARRIER = ("if (i < 63) at[i] = 1; if (i > 0 && at[i - 1] != 1) at[63] = 1;", "at[63] == 0")


def compile_kernels(folder: Path, sanitizers: str, cases: list[tuple[str, str]], num_blocks: int) -> Path:
    """A program that runs the kernel of the number given to it, and exits with 9 unless all is right."""
    lines = ["#include <cuda_runtime.h>", "using Kernel = void (*)(int, int*, int*);"]
    rows = [
        "{[]([[maybe_unused]] int i, [[maybe_unused]] int* at, [[maybe_unused]] int* shared)"
        f" {{ {body} }}, [](const int* at) {{ return at != nullptr && ({check}); }}}},"
        for body, check in cases
    ]
    lines += ["struct { Kernel run; bool (*check)(const int*); } cases[] = {", *rows, "};"]
    lines += [
        "int main(int, char** arguments) {",
        "  const auto& one = cases[std::atoi(arguments[1])];",
        "  std::vector<int> at(64);",
        f"  simt::launch(nullptr, {num_blocks}, 64, 64, [&] {{ one.run(threadIdx.x, at.data(),"
        " static_cast<int*>(simt::Block::current().shared())); });",
        "  return one.check(at.data()) ? 0 : 9;",
        "}",
    ]
    source = folder / "kernels.cu"
    source.write_text("\n".join(lines) + "\n")
    command = [*COMPILE, *SANITIZE[sanitizers], "-x", "c++", str(source), "-o", str(folder / "kernels")]
    subprocess.run(command, check=True)
    return folder / "kernels"


@pytest.fixture(scope="module")
def kernels(tmp_path_factory) -> Path:
    cases = [*DOCUMENTED, *((body, "true") for body, _ in SEEN), NO_BARRIER]
    return compile_kernels(tmp_path_factory.mktemp("kernels"), "address", cases, num_blocks=1)


@pytest.mark.parametrize("case", range(len(DOCUMENTED)), ids=[body for body, _ in DOCUMENTED])
def test_the_emulation_does_what_cuda_documents(kernels, case):
    result = subprocess.run([str(kernels), str(case)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("case", range(len(SEEN)), ids=[body for body, _ in SEEN])
def test_the_emulation_sees_what_a_gpu_may_not(kernels, case):
    result = subprocess.run([str(kernels), str(len(DOCUMENTED) + case)], capture_output=True, text=True)
    assert result.returncode != 0
    assert SEEN[case][1] in result.stderr


@pytest.mark.parametrize(("seed", "found"), [("0", 0), ("1", 9)])
def test_a_missing_barrier_shows_where_the_order_is_drawn(kernels, seed, found):
    environment = {**os.environ, "ACE3D_SIMT_SEED": seed}
    result = subprocess.run([str(kernels), str(len(DOCUMENTED) + len(SEEN))], env=environment)
    assert result.returncode == found


# Two blocks of such threads; `shared` is apart for each.
ORDERED = [
    "if (i < 16) shared[i] = i; __syncthreads(); if (blockIdx.x == 0) at[i] = shared[15 - i % 16];",
    "if (i < 16) shared[i] = i; __syncwarp(); if (i < 16 && blockIdx.x == 0) at[i] = shared[15 - i];",
    "atomicAdd(at, i); atomicMax(&shared[3], i);",
    "if (i < 32) at[32 * blockIdx.x + i] = i;",
    "if (i == 5) shared[0] = 1; if (__syncthreads_or(i == 9) != 0 && i == 6) shared[0] = 2;",
]
UNORDERED = [
    "if (i < 16) shared[i] = i; if (blockIdx.x == 0) at[i] = shared[15 - i % 16];",  # no barrier
    "if (i < 16) shared[i] = i; __syncwarp(); if (blockIdx.x == 0) at[i] = shared[i % 16];",  # of a warp
    "if (i < 16) shared[i] = i; __shfl_sync(~0u, i, 0); if (i == 0 && blockIdx.x == 0) at[i] = shared[15];",
    "if (i == 5) shared[0] = 1; if (__any_sync(~0u, i == 5) && i == 6) shared[0] = 2;",
    "if (i < 16) shared[i] = i; __syncthreads(); if (i < 16) shared[i] = shared[15 - i];",
    "if (i == 0) at[0] = 1;",  # of two blocks
    "if (i == 0 && blockIdx.x == 0) at[0] = 1; if (i == 9 && blockIdx.x == 1) at[1] = at[0];",
    "if (i == 0) atomicAdd(at, 1); if (i == 40) at[1 + blockIdx.x] = at[0];",
]


@pytest.fixture(scope="module")
def watched_kernels(tmp_path_factory) -> Path:
    cases = [(body, "true") for body in (*ORDERED, *UNORDERED)]
    return compile_kernels(tmp_path_factory.mktemp("kernels"), "thread", cases, num_blocks=2)


@pytest.mark.parametrize("case", range(len(ORDERED)), ids=ORDERED)
def test_what_cuda_orders_passes(watched_kernels, case):
    result = subprocess.run([str(watched_kernels), str(case)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("case", range(len(UNORDERED)), ids=UNORDERED)
def test_what_cuda_leaves_unordered_is_seen(watched_kernels, case):
    number = str(len(ORDERED) + case)
    result = subprocess.run([str(watched_kernels), number], capture_output=True, text=True)
    assert "data race" in result.stderr


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.name)
def test_no_kernel_spills_registers_on_any_gpu(tmp_path, kernel):
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in ARCHITECTURES]
    command = ["nvcc", "-std=c++17", "-O3", "-fmad=false", "-Xptxas=-v", f"-I{ROOT / 'csrc'}", *targets]
    command += ["-c", str(kernel), "-o", str(tmp_path / "kernel.o")]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    uses = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    assert len(uses) >= len(ARCHITECTURES) * ("__global__" in kernel.read_text())
    assert set(uses) <= {("0", "0", "0")}
