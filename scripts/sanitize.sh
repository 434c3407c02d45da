#!/bin/sh
# Runs the tests that reach native code under AddressSanitizer and UndefinedBehaviorSanitizer (default) or valgrind, and
# fails on any report.
#   scripts/sanitize.sh              build with both into build/sanitize; op, autograd, layer and engine tests
#   scripts/sanitize.sh --valgrind   the ordinary build under valgrind: every op with random arguments, no test runner
set -eu
cd "$(dirname "$0")/.."
out=build/sanitize
mkdir -p "$out"

if [ "${1:-}" = --valgrind ]; then
  command -v valgrind >/dev/null || { echo 'valgrind is not installed: apt install valgrind' >&2; exit 1; }
  addon=build/Release/ganvas.node
  [ -f "$addon" ] || { echo "$addon is missing: npm run build:native" >&2; exit 1; }
  # V8 writes code while it runs, hence smc-check. Valgrind knows no AVX-512, so the AVX2 kernels are what it sees.
  valgrind --quiet --error-exitcode=99 --smc-check=all-non-file --num-callers=20 \
    node --single-threaded test/engine/child/fuzz.mjs "$PWD/$addon" 1 "${2:-5000}"
  echo 'valgrind: no report'
  exit 0
fi

rm -f "$out"/report.*
cmake -S . -B "$out" -G Ninja -DGANVAS_SANITIZE=ON -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$out"

# Node is not built with the sanitizer, so the runtime comes first by LD_PRELOAD. Leaks are not looked for: V8 frees
# nothing at exit, and the engine's threads and pool live as long as the process by design.
GANVAS_ADDON=$PWD/$out/ganvas.node
ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:exitcode=99:allocator_may_return_null=1:log_path=$PWD/$out/report
UBSAN_OPTIONS=print_stacktrace=1:log_path=$PWD/$out/report
LD_PRELOAD=$(g++ -print-file-name=libasan.so)
export GANVAS_ADDON ASAN_OPTIONS UBSAN_OPTIONS LD_PRELOAD
status=0
node node_modules/vitest/vitest.mjs run --pool=forks --no-file-parallelism --test-timeout=300000 \
  test/tensor test/engine test/reference test/nn test/train/threads.test.ts test/train/capture.test.ts || status=$?
unset LD_PRELOAD
for report in "$out"/report.*; do
  [ -e "$report" ] || continue
  cat "$report" >&2
  status=1
done
[ "$status" = 0 ] && echo 'Sanitizers: no report'
exit "$status"
