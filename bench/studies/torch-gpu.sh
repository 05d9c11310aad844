#!/usr/bin/env bash
# bash bench/studies/torch-gpu.sh [PART...]: the exported PyTorch program on a GPU, and its plan beside it.
#
#   export    writes the programs (needs Node, no GPU); done where they are missing
#   cpu       DDP, FSDP2, tensor parallelism, compilation by gloo, checkpoints of 4 processes for 2, for 1 and
#             back (needs no GPU: any PyTorch 2.6 and a C++ compiler with PyTorch's headers; Debian sid has
#             both, python3-torch and libtorch-dev)
#   exact     logits in fp32          curve    200 steps, bf16 beside fp32
#   witness   Hugging Face's GPT-2, Llama and Mixtral with our weights   (needs transformers, no GPU)
#   published folders of `sinter export --to hf` in transformers; names and shapes of Llama 3.1 405B and GPT-2
#             XL   (the same)
#   gpt2, gpt2-xl, llama              steps, timed: tokens per second and memory beside plan.json
#   table     what was found so far, once more
#
# Without parts: all. The others need PyTorch 2.11 or later and CUDA; what is not there is said to be
# skipped. About six minutes on one H100, two of which compile. PYTHON and OUT name another Python, another
# folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/bench/studies/torch-gpu
out=${OUT:-${TMPDIR:-/tmp}/sinter-torch-gpu}
python=${PYTHON:-python3}
programs=$out/programs
all=(export cpu exact curve witness published gpt2 gpt2-xl llama table)
# seconds that each part may take
declare -A most=([cpu]=600 [exact]=60 [curve]=90 [witness]=90 [published]=90)
most+=([gpt2]=150 [gpt2-xl]=120 [llama]=120)

source "$root/bench/studies/parts.sh"
parts_of "$0" "$@"

mkdir -p "$out"
export ROWS=$out/rows.jsonl PYTHONPATH=$here

sinter() {
  node "$root/sinter.js" "$@"
}

# A program of each model, and of each plan; the plans for either device beside it.
write_programs() {
  rm -rf "$programs"
  local name card
  for name in shared shared-tied gpt2 witness-gpt2 witness-llama witness-mixtral; do
    sinter export "$here/programs.sinter" --model "$name" --to torch -o "$programs/$name"
  done
  sinter export "$root/specs/llama3.sinter" --model llama3.1-405b --to torch -o "$programs/llama3.1-405b"
  write_runs
  for name in gpt2-step gpt2-xl-step llama-step; do
    sinter export "$here/programs.sinter" --plan "$name" --to torch -o "$programs/$name"
    {
      echo "{"
      for card in h100 h200; do
        [ $card = h100 ] || echo ","
        echo "\"$card\":"
        sinter plan "$here/programs.sinter" --plan "$name" --on $card:1 --json
      done
      echo "}"
    } >"$programs/$name/plans.json"
  done
}

# A few steps of each witness, as Hugging Face's folder and as a program; of Llama with adapters, too.
write_runs() {
  local name
  for name in gpt2 llama mixtral; do
    sinter train "$here/programs.sinter" --model witness-$name --tokenizer bytes --set train.context=64 \
      --set batch=2 --steps 2 --out "$programs/run-$name"
  done
  sinter sft --from "$programs/run-llama" --lora 4 --steps 2 --out "$programs/run-llama-lora"
  for name in gpt2 llama mixtral llama-lora; do
    sinter export "$programs/run-$name" --to hf -o "$programs/run-$name-hf"
    sinter export "$programs/run-$name" --to torch -o "$programs/run-$name-torch"
  done
}

needs_programs() {
  [ -d "$programs" ] && return
  if ! command -v node >/dev/null; then
    echo "no programs in $programs: run the part export where Node is, and carry the folder here" >&2
    exit 1
  fi
  write_programs
}

# One that fails or takes too long is a row of the table, and the others go on.
run() {
  local part=$1
  shift
  if timeout "${most[$part]}" "$python" "$@"; then return; fi
  "$python" -c "import sys, rows; rows.put(sys.argv[1], 'ran to its end', 0, least=1)" "$part"
}

began=$SECONDS
for part in "${parts[@]}"; do
  case $part in
    export) write_programs ;;
    table) ;;
    *)
      needs_programs
      [ -n "${fresh:-}" ] || { : >"$ROWS"; fresh=1; }
      case $part in
        cpu) run cpu "$here/processes.py" "$programs" ;;
        published) run published "$here/published.py" "$programs" ;;
        exact | curve | witness) run "$part" "$here/numerics.py" "$part" "$programs" ;;
        *) run "$part" "$here/speed.py" "$part" "$programs" ;;
      esac
      ;;
  esac
done
[ -f "$ROWS" ] || exit 0
echo
"$python" "$here/rows.py" "$ROWS" || failed=1
echo "$((SECONDS - began)) s"
exit "${failed:-0}"
