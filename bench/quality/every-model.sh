#!/usr/bin/env bash
# Every model from the command line on the digits: 50 steps, 10 more after a resume, and samples of the result. Prints a
# line for each; exits with 1 if any failed. Says nothing of quality, which family.ts measures.
#   bench/quality/every-model.sh [MODEL...]
set -uo pipefail
cd "$(dirname "$0")/../.."
ganvas() { node dist/cli/main.js "$@"; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
models=("$@")
[ ${#models[@]} -gt 0 ] || mapfile -t models < <(ganvas models | awk '/^[a-z]/ { print $1 }')
failed=0
for model in "${models[@]}"; do
  begin=$SECONDS
  run=$folder/$model log=$folder/$model.log
  if ganvas train "$model" --data mnist --steps 50 --out "$run" >"$log" 2>&1 &&
    ganvas train --resume "$run" --steps 60 >>"$log" 2>&1 &&
    ganvas sample "$run" --out "$folder/$model.png" >>"$log" 2>&1 && [ -s "$folder/$model.png" ]; then
    printf '%-12s trained, resumed, sampled: %d s\n' "$model" $((SECONDS - begin))
  else
    printf '%-12s FAILED\n' "$model"
    tail -n 5 "$log"
    failed=1
  fi
done
exit $failed
