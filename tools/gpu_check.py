"""The gate for a GPU machine: build, CUDA tests, compute-sanitizer, benchmark; `make gpu-check`.

Needs what builds the package (cmake, ninja, pybind11, nvcc), a torch with CUDA, pytest and hypothesis; no
network. Every step has a time limit and all of them end within nine minutes. What is known so far is written
after each step to benchmarks/results/<gpu>.json, and to $OUT where that is set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 525.0
ENVIRONMENT = {
    **os.environ,
    "ACE3D_CUDA": "ON",
    "ACE3D_REQUIRE_CUDA": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]),
    "PYTHONUNBUFFERED": "1",
}


@dataclass
class Check:
    """The steps so far."""

    gpu: str
    begin: float = field(default_factory=time.monotonic)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    benchmark: Any = None

    @property
    def passed(self) -> bool:
        """Whether every step has passed."""
        return all(step["passed"] for step in self.steps.values())

    def run(
        self,
        name: str,
        command: list[str],
        limit_seconds: float,
        facts: Callable[[], dict[str, Any]] | None = None,
        **environment: str,
    ) -> bool:
        """Run one step; ``facts`` are added to what is written of it, and may take its success back."""
        left = LIMIT_SECONDS - (time.monotonic() - self.begin)
        begin = time.monotonic()
        print(f"gpu-check: {name}", flush=True)
        code, output = _run(command, max(1.0, min(limit_seconds, left)), {**ENVIRONMENT, **environment})
        if os.environ.get("OUT"):  # whole: with many failures the first ones stand far from the end
            Path(os.environ["OUT"]).mkdir(parents=True, exist_ok=True)
            (Path(os.environ["OUT"]) / f"{name}.log").write_text(output)
        step: dict[str, Any] = {"passed": code == 0, "seconds": round(time.monotonic() - begin, 1)}
        if facts is not None:
            step.update(facts())
        if not step["passed"]:
            step["output"] = output[-4000:]
            print(output[-4000:], flush=True)
        print(
            f"gpu-check: {name}: {'passed' if step['passed'] else 'FAILED'}, {step['seconds']} s", flush=True
        )
        self.steps[name] = step
        self.write()
        return bool(step["passed"])

    def write(self) -> None:
        """Write what is known."""
        record = {
            "gpu": self.gpu,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "steps": self.steps,
            "benchmark": self.benchmark,
        }
        name = re.sub(r"[^a-z0-9]+", "_", self.gpu.lower()).strip("_") + ".json"
        folders = [ROOT / "benchmarks" / "results"]
        folders += [Path(os.environ["OUT"])] if os.environ.get("OUT") else []
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(json.dumps(record, indent=1) + "\n")


def _run(command: list[str], seconds: float, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and output. What outlasts its time is ended with all that it started."""
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return 127, str(error)
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return 124, output + "\n(out of time)"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _test_facts(report: Path) -> dict[str, Any]:
    """Numbers of tests; a skipped one is a failure."""
    try:
        suite = next(ET.parse(report).getroot().iter("testsuite"))
    except (OSError, ET.ParseError, StopIteration):
        return {"passed": False}
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    bad = counts["failures"] + counts["errors"] + counts["skipped"]
    return {**counts, "passed": counts["tests"] > 0 and bad == 0}


def main() -> int:
    """Run all steps; 0 if all passed."""
    if not torch.cuda.is_available():
        why = "this torch was built without CUDA" if torch.version.cuda is None else "torch sees no GPU"
        print(f"gpu-check: expected a GPU, got none ({why})", file=sys.stderr)
        return 1
    check = Check(torch.cuda.get_device_name(0))
    major, minor = torch.cuda.get_device_capability(0)
    check.run(
        "build",
        [sys.executable, "tools/native_build.py"],
        200,
        ACE3D_CUDA_ARCHITECTURES=f"{major}{minor}-real",
    )
    if check.passed:
        _checks_of_a_build(check)
    seconds = time.monotonic() - check.begin
    print(f"gpu-check: {'passed' if check.passed else 'FAILED'} on {check.gpu}, {seconds:.0f} s")
    return 0 if check.passed else 1


def _checks_of_a_build(check: Check) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report, results = Path(folder) / "tests.xml", Path(folder) / "bench.json"
        # Only tests/cuda and its own conftest: that of all tests needs a video library.
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir=tests/cuda"]
        check.run("tests", [*tests, f"--junitxml={report}", "tests/cuda"], 200, lambda: _test_facts(report))

        def benchmark() -> dict[str, Any]:
            if results.is_file():
                check.benchmark = json.loads(results.read_text())
            return {}

        def run_benchmark() -> None:
            command = [sys.executable, "benchmarks/bench_cuda.py", "--json", str(results)]
            check.run("benchmark", command, 150, benchmark)

        # It proves each part before timing it. Where tests fail, what the sanitizer says comes first.
        right = check.steps["tests"]["passed"]
        if right:
            run_benchmark()
        sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        # Kernels of torch, and calls that it makes in order to fail, are not looked at.
        own = ["--error-exitcode=9", "--kernel-name=kernel_substring=ace3d", "--report-api-errors=no"]
        own += ["--target-processes=application-only", sys.executable, "tests/cuda/small_case.py"]
        for tool in ("memcheck", "racecheck"):
            check.run(tool, [sanitizer, f"--tool={tool}", *own], 90, PYTORCH_NO_CUDA_MEMORY_CACHING="1")
        if not right:
            run_benchmark()


if __name__ == "__main__":
    sys.exit(main())
