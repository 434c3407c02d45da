#!/usr/bin/env bash
# Runs the ops on a real CUDA device under NVIDIA's compute-sanitizer and fails on any report.
#   scripts/gpu-sanitize.sh [PATTERN]
# PATTERN: which tests of test/cuda/against-cpu.test.ts; by default the first f32 sample of every op.
# GANVAS_SANITIZE_TOOLS: which tools, "memcheck racecheck initcheck" if not set. GANVAS_SANITIZE_SECONDS: for each, 600.
# Exits with 77 where compute-sanitizer is not installed: nothing was checked.
set -euo pipefail
cd "$(dirname "$0")/.."
pattern=${1:-'f32 #0 '}
out=$PWD/build/gpu-sanitize

tool=$(command -v compute-sanitizer || true)
for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /opt/cuda; do
  [ -n "$tool" ] || [ ! -x "$folder/bin/compute-sanitizer" ] || tool=$folder/bin/compute-sanitizer
done
if [ -z "$tool" ]; then
  echo 'compute-sanitizer is not installed: nothing was checked' >&2
  exit 77
fi

mkdir -p "$out"
status=0
for kind in ${GANVAS_SANITIZE_TOOLS:-memcheck racecheck initcheck}; do
  rm -f "$out/$kind".*
  outcome=0
  # Nothing outside of the kernels' own memory is looked at: the pool keeps what is freed.
  GANVAS_REQUIRE_CUDA=1 GANVAS_TEST_DEVICE=cuda timeout "${GANVAS_SANITIZE_SECONDS:-600}" \
    "$tool" --tool "$kind" --target-processes all --log-file "$out/$kind.%p" --error-exitcode 99 \
    node node_modules/vitest/vitest.mjs run --no-file-parallelism --test-timeout 600000 \
    test/cuda/against-cpu.test.ts -t "$pattern" || outcome=$?
  reports=$(cat "$out/$kind".* 2>/dev/null | grep -cE '^=+ (Invalid|Error|Race|Uninitialized|Program hit|Warning: Race)' || true)
  echo "$kind: exit $outcome, $reports reports"
  if [ "$outcome" != 0 ] || [ "$reports" != 0 ]; then
    status=1
    cat "$out/$kind".* 2>/dev/null | grep -vE 'ERROR SUMMARY: 0 errors|COMPUTE-SANITIZER$' | head -n 60 || true
  fi
done
exit "$status"
