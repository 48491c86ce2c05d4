"""Builds every CUDA op as an op on the CPU: the same .cu files and the same registration, over simt.h.

The ops get the namespace ``ace3d_emulated`` and are compiled with the address and undefined-behaviour
sanitizers, or with the thread sanitizer (simt_races.h). ``python tests/csrc/emulated_library.py SANITIZERS
[CHECK ...]``, with ``address`` or ``thread``, builds and runs the checks beside this file.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests" / "csrc"
HOST_SOURCES = tuple(sorted((ROOT / "csrc").glob("ops_cuda*.cpp")))
KERNELS = sorted((ROOT / "csrc").glob("*/*_cuda.cu"))
SANITIZE = {
    "address": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "thread": ("-fsanitize=thread", "-Wno-maybe-uninitialized"),  # warns of what it adds itself
}
LIBRARIES = {"address": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}
COMPILE = (
    "g++", "-std=c++20", "-O1", "-g1", "-ffp-contract=off",
    "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas",
    f"-I{ROOT / 'csrc'}", f"-I{HERE}", f"-I{HERE / 'emulated'}",
)  # fmt: skip


def build(folder: Path, sanitizers: str) -> Path:
    """Compile what has changed into ``folder``, for "address" or "thread"; returns the library."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    torch = Path(spec.origin).parent
    headers = [*ROOT.glob("csrc/**/*.h"), *ROOT.glob("csrc/**/*.cuh"), *HERE.glob("**/*.h")]
    newest = max(header.stat().st_mtime for header in headers)
    flags = [
        *SANITIZE[sanitizers],
        f"-isystem{torch / 'include'}",
        "-DTORCH_TARGET_VERSION=0x020a000000000000",
        "-DACE3D_EMULATED",
        "-DACE3D_MANY_BLOCKS=8",  # of SLIC: small volumes take the way of large ones too
        "-fPIC",
    ]
    objects = []
    for source in (*HOST_SOURCES, *KERNELS):
        target = folder / f"{source.name}.o"
        if not target.exists() or target.stat().st_mtime < max(newest, source.stat().st_mtime):
            command = [*COMPILE, *flags, "-x", "c++", "-c", str(source), "-o", str(target)]
            subprocess.run(command, check=True)
        objects.append(str(target))
    library = folder / "ops_emulated.so"
    link = ["g++", "-shared", *SANITIZE[sanitizers], *objects, f"-L{torch / 'lib'}", "-ltorch_cpu"]
    subprocess.run([*link, "-o", str(library)], check=True)
    return library


def run_checks(library: Path, sanitizers: str, *checks: str) -> subprocess.CompletedProcess[str]:
    """Run the files tests/csrc/emulated/check_*.py, or those that are named, beside ``library``.

    No result may hang on who comes first: blocks and threads run in an order that is drawn.
    """
    files = checks or tuple(str(path) for path in sorted((HERE / "emulated").glob("check_*.py")))
    preload = [
        subprocess.run(["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout
        for name in LIBRARIES[sanitizers]
    ]
    environment = {
        **os.environ,
        "ACE3D_EMULATED_LIBRARY": str(library),
        "LD_PRELOAD": " ".join(name.strip() for name in preload),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1:exitcode=66",
        "ACE3D_SIMT_SEED": "1",
        "OMP_NUM_THREADS": "1",
    }
    # --capture=sys: a sanitizer writes to file descriptor 2 and ends the process.
    command = [sys.executable, "-m", "pytest", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run([*command, "-x", *files], cwd=ROOT, env=environment, capture_output=True, text=True)


if __name__ == "__main__":
    chosen = sys.argv[1]
    done = run_checks(build(ROOT / "build" / "emulated" / chosen, chosen), chosen, *sys.argv[2:])
    print(done.stdout + done.stderr)
    sys.exit(done.returncode)
