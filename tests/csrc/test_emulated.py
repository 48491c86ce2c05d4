"""CUDA kernels without a GPU: run on the CPU by simt.h under sanitizers, and compiled for every GPU."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from emulated_library import COMPILE, HERE, KERNELS, ROOT, build, run_checks

ARCHITECTURES = (80, 90, 100, 120)

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def run(tmp_path: Path, *sources: Path) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "program"
    files = [argument for source in sources for argument in ("-x", "c++", str(source))]
    subprocess.run([*COMPILE, *files, "-o", str(program)], check=True)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run([str(program)], env=environment, capture_output=True, text=True)


def test_region_pool_sums_what_loops_sum(tmp_path):
    result = run(
        tmp_path, HERE / "emulated_region_pool.cpp", ROOT / "csrc" / "region_pool" / "region_pool_cuda.cu"
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_emulated_ops_do_what_the_ops_of_the_cpu_do(tmp_path):
    result = run_checks(build(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr


def run_kernel(tmp_path: Path, body: str, check: str = "true") -> subprocess.CompletedProcess[str]:
    """One block of 64 threads over 64 zeros, then ``check`` of what is in them."""
    source = tmp_path / "kernel.cu"
    source.write_text(
        "#include <cuda_runtime.h>\n"
        f"void kernel(int* at) {{ const int i = static_cast<int>(threadIdx.x); {body} }}\n"
        "int main() { std::vector<int> v(64); int* at = v.data();"
        f" simt::launch(1, 64, [&] {{ kernel(at); }}); return ({check}) ? 0 : 9; }}\n"
    )
    return run(tmp_path, source)


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("at[i] = i; __syncthreads(); const int x = at[63 - i]; __syncthreads(); at[i] = x;", "at[0] == 63"),
        ("at[i] = __shfl_down_sync(~0u, i, 1);", "at[0] == 1 && at[31] == 31 && at[32] == 33"),
        ("at[i] = __shfl_xor_sync(~0u, i, 5);", "at[0] == 5 && at[37] == 32"),
        ("at[i] = __popc(__ballot_sync(~0u, i % 3 == 0));", "at[0] == 11 && at[63] == 11"),
        ("at[i] = __match_any_sync(~0u, i % 16) == (0x10001u << (i % 16));", "at[0] == 1 && at[47] == 1"),
        ("atomicAdd(at, i);", "at[0] == 2016"),
        ("if (i < 32) at[i] = __shfl_sync(~0u, i, 7);", "at[0] == 7 && at[40] == 0"),
    ],
)
def test_the_emulation_does_what_cuda_documents(tmp_path, body, check):
    assert run_kernel(tmp_path, body, check).returncode == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("if (i < 40) __syncthreads(); at[i] = 1;", "a barrier that not all threads reach"),
        ("if (i % 2) at[i] = __shfl_sync(~0u, i, 0);", "a barrier that not all threads reach"),
        ("at[i] = __shfl_sync(1u, i, 0);", "a thread outside the mask"),
        ("at[i + 1] = i;", "heap-buffer-overflow"),
    ],
)
def test_the_emulation_sees_what_a_gpu_may_not(tmp_path, body, words):
    result = run_kernel(tmp_path, body)
    assert result.returncode != 0
    assert words in result.stderr


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.name)
def test_no_kernel_spills_registers_on_any_gpu(tmp_path, kernel):
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in ARCHITECTURES]
    command = ["nvcc", "-std=c++17", "-O3", "-fmad=false", "-Xptxas=-v", f"-I{ROOT / 'csrc'}", *targets]
    command += ["-c", str(kernel), "-o", str(tmp_path / "kernel.o")]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    uses = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    assert len(uses) >= len(ARCHITECTURES)
    assert set(uses) == {("0", "0", "0")}
