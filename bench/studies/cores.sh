#!/usr/bin/env bash
# bash bench/studies/cores.sh [--try] [PART...]: training and inference on many cores, PyTorch beside it.
#
#   export    compiles what is measured (needs the project's packages); done where it is missing
#   limits    multiply-adds and reading at each number of workers, threads per core
#   S, M, gpt2    training steps on 1, 2, 4, 8, 16 workers, and PyTorch on as many threads
#   1b        prompts and tokens of Llama 3.2 1B in q4_0 on as many workers
#   table     what was found so far, once more
#
# Without parts: all. Skipped below eight cores, unless --try says that it is only a trial: then on as many
# workers as there are cores; numbers of workers above the cores are left out. Where `export` has run before,
# Node alone is needed, and PyTorch 2 or later for its columns: of PYTHON, python3 and /usr/bin/python3 the first
# that has it, or none, which is said. NODE names another Node; OUT another folder, which may be carried to
# another machine with the checkout. Nine minutes at most, all parts together; each says if it did not end.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/bench/studies/cores
node=${NODE:-node}
export OUT=${OUT:-${TMPDIR:-/tmp}/sinter-cores}
export NODE_NO_WARNINGS=1
all=(export limits S M gpt2 1b table)
# seconds that each part may take: 540 in all
declare -A most=([export]=120 [limits]=40 [S]=70 [M]=80 [gpt2]=150 [1b]=70 [table]=10)
least_cores=8

try=
[ "${1:-}" != --try ] || { try=1; shift; }
source "$root/bench/studies/parts.sh"
parts_of "$0" "$@"

# as Node counts them: those that this process may use
cores=$("$node" -p 'require("node:os").availableParallelism()')
mkdir -p "$OUT"

# The first Python that has PyTorch 2 or later goes to measure.ts as TORCH_PYTHON.
find_torch() {
  local python version seen=
  for python in ${PYTHON:-} python3 /usr/bin/python3; do
    version=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) || continue
    if [ "${version%%.*}" -ge 2 ]; then
      export TORCH_PYTHON=$python
      echo "PyTorch $version: $python"
      return
    fi
    seen="$seen; $python has $version"
  done
  echo "skipped: PyTorch (no Python here has 2 or later$seen; PYTHON=… names one)"
}

# Runs a command for as long as its part may still take.
in_time() {
  local left=$((ends - SECONDS))
  [ $left -gt 0 ] && timeout "$left" "$@"
}

# A folder that is half written counts as missing.
export_bundles() {
  rm -rf "$OUT/bundles"
  local sizes=$root/bench/specs/bench-sizes.sinter name ends=$((SECONDS + most[export]))
  for name in S M gpt2; do
    in_time "$node" "$root/sinter.js" compile "$sizes" --model $name --module train --target wide,relaxed \
      -o "$OUT/unfinished/$name"
  done
  in_time "$node" "$root/sinter.js" compile "$root/specs/llama3.sinter" --model llama3.2-1b --set context=512 \
    --module infer --weights q4_0 --target wide,relaxed -o "$OUT/unfinished/1b"
  in_time "$node" "$here/measure.ts" export
  mv "$OUT/unfinished" "$OUT/bundles"
}

needs_bundles() {
  [ -d "$OUT/bundles" ] && return
  if [ ! -d "$root/node_modules/assemblyscript" ]; then
    echo "no bundles in $OUT: run the part export where the project is installed, and carry the folder" >&2
    exit 1
  fi
  rm -rf "$OUT/unfinished"
  export_bundles
}

began=$SECONDS
for part in "${parts[@]}"; do
  case $part in
    export) rm -rf "$OUT/bundles" "$OUT/unfinished"; needs_bundles ;;
    table) ;;
    *)
      if [ "$cores" -lt $least_cores ] && [ -z "$try" ]; then
        echo "skipped: $part (this machine has $cores cores, and $least_cores are asked for; --try tries it)"
        continue
      fi
      needs_bundles
      if [ -z "${fresh:-}" ]; then
        : >"$OUT/rows.jsonl"
        fresh=1
        "$node" "$here/measure.ts" machine
        find_torch
      fi
      ends=$((SECONDS + most[$part]))
      in_time "$node" "$here/measure.ts" "$part" ||
        echo "$part did not come to its end (it may take ${most[$part]} s)" | tee -a "$OUT/failed"
      ;;
  esac
done
[ -s "$OUT/rows.jsonl" ] || exit 0
"$node" "$here/measure.ts" table
echo "$((SECONDS - began)) s"
