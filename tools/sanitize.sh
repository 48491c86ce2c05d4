#!/usr/bin/env bash
# Build the native code under a sanitizer, into build/sanitize/NAME, and run the tests of the ops on that build.
#   tools/sanitize.sh address    out of bounds, use after free, undefined behaviour; once for each instruction set,
#                                then half a minute of the fuzz target
#   tools/sanitize.sh thread     races, on four threads whatever the size of the work
# More arguments go to pytest. Needs the setup of `make setup` and gcc's sanitizers.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
library() { "${CXX:-g++}" -print-file-name="$1"; }
case $name in
  address)
    sanitizers=address,undefined
    preload="$(library libasan.so) $(library libubsan.so)"
    sets="avx2 baseline"
    if grep -q avx512dq /proc/cpuinfo; then sets="avx512 $sets"; fi ;;
  thread)
    sanitizers=thread
    preload=$(library libtsan.so)
    sets=avx2 ;;
  *)
    echo "sanitize: expected address or thread, got $name" >&2
    exit 2 ;;
esac
bin=$PWD/.venv/bin
package=build/sanitize/$name
ACE3D_CUDA=OFF ACE3D_SANITIZE=$sanitizers "$bin/python" setup.py -q build --build-lib "$package"

export OMP_NUM_THREADS=1
export PYTHONSAFEPATH=1  # the package that was built just now, not the one in the current folder
# Python itself frees little at its end; an allocation too large to be made is NULL, as it is without a sanitizer.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1:exitcode=66:allocator_may_return_null=1:suppressions=$PWD/tools/thread_suppressions.txt"
for set in $sets; do
  # --capture=sys: a sanitizer writes to file descriptor 2 and ends the process.
  ACE3D_INSTRUCTION_SET=$set PYTHONPATH=$package LD_PRELOAD=$preload \
    "$bin/pytest" --capture=sys -p no:cacheprovider "${@:-tests/ops}"
done
if [[ $name == address ]]; then
  PYTHONPATH=$package:tests/fuzz LD_PRELOAD=$preload "$bin/python" tests/fuzz/fuzz_ops.py --seconds 30
fi
