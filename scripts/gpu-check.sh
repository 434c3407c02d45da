#!/usr/bin/env bash
# Everything that only a GPU can show, in one go: builds, tests, sanitizer, training, a checkpoint that moves, times against
# PyTorch, cuDNN's description of the device. Writes bench/results/gpu/<device>-<date>.json and .log. What the steps
# are and what they need: scripts/gpu-check.ts and CONTRIBUTING.md.
#   scripts/gpu-check.sh [--only build,tests,…] [--skip …] [--emulated] [--steps 500] [--rounds 5]
#                        [--case TEXT] [--out FOLDER]
# A step that fails does not stop the later ones; the exit code is 1 if one did.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo 'gpu-check: Node.js 20 or newer is needed' >&2; exit 1; }
for package in tsx vitest; do
  [ -d "node_modules/$package" ] || { echo "gpu-check: node_modules/$package is missing: npm ci" >&2; exit 1; }
done
exec node --import tsx scripts/gpu-check.ts "$@"
