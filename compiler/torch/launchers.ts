/** What starts an exported program: a shell script, a Slurm job, a SkyPilot task, and its README. */
import type { Model } from "../../runtime/contract/model.ts";
import { thousands } from "../../runtime/contract/amounts.ts";
import { parameterCount } from "../2-check/parameters.ts";
import { replicas, type Degrees } from "../planner/degrees.ts";

export interface Launch extends Degrees {
  readonly node: number;
  /** The name of the device in SkyPilot's catalogue. */
  readonly accelerator: string;
}

const nodesOf = ({ devices, node }: Launch): number => Math.max(1, Math.ceil(devices / node));
const perNode = ({ devices, node }: Launch): number => Math.min(devices, node);

const flags = (launch: Launch): string => {
  const copies = replicas(launch);
  const mode = copies === launch.devices ? "ddp" : copies > 1 ? `fsdp --replicas ${copies}` : "fsdp";
  const tensor = launch.tensor > 1 ? ` --tensor ${launch.tensor}` : "";
  return `--mode ${mode}${tensor} --recompute --compile --loss-chunks 8`;
};

export const runSh = `#!/usr/bin/env bash
# bash run.sh TOKENS [PROCESSES] [OPTION...]: trains on this machine. PYTHON names another Python.
set -euo pipefail
cd "$(dirname "$0")"
exec "\${PYTHON:-python3}" train.py --data "$1" --processes "\${2:-1}" "\${@:3}"
`;

export const slurm = (model: Model, launch: Launch): string => `#!/usr/bin/env bash
#SBATCH --job-name=${model.name}
#SBATCH --nodes=${nodesOf(launch)}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=${perNode(launch)}
# sbatch slurm.sbatch TOKENS
set -euo pipefail
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc_per_node ${perNode(launch)} --rdzv_backend c10d \\
  --rdzv_endpoint "$head:29500" train.py --data "$1" ${flags(launch)}
`;

export const sky = (model: Model, launch: Launch): string => `name: ${model.name}
resources:
  accelerators: ${launch.accelerator}:${perNode(launch)}
num_nodes: ${nodesOf(launch)}
workdir: .
run: |
  head=$(echo "$SKYPILOT_NODE_IPS" | head -n1)
  torchrun --nnodes $SKYPILOT_NUM_NODES --nproc_per_node $SKYPILOT_NUM_GPUS_PER_NODE \\
    --node_rank $SKYPILOT_NODE_RANK --master_addr $head --master_port 29500 \\
    train.py --data tokens.bin ${flags(launch)}
`;

/** What a run's program does next, in commands: [what to type, what it does]. */
const nextCommands = (objective?: string): readonly (readonly [string, string])[] =>
  objective === undefined
    ? [
        ["bash run.sh tokens.bin", "one process"],
        ["bash run.sh tokens.bin 8 --mode fsdp", "eight that share the model (PyTorch 2.6 or later)"],
      ]
    : [
        ["python3 finetune.py", `${objective}: goes on with examples.jsonl, from run/`],
        ["python3 finetune.py --processes 2", "two processes (DDP); --mode fsdp: they share the model"],
      ];

const commands = (objective?: string): string =>
  [
    ["python3 test_parity.py", "the program against Sinter's own numbers"] as const,
    ...nextCommands(objective),
  ]
    .map(([command, what]) => `${command.padEnd(38)} # ${what}`)
    .join("\n");

export const readme = (
  model: Model,
  structure: string,
  objective?: string,
): string => `# ${model.name}, for PyTorch

${thousands(parameterCount(model))} parameters, written by \`sinter export --to torch\`.
Structure \`${structure}\`.

\`\`\`sh
${commands(objective)}
\`\`\`

\`tokens.bin\` has token ids of 2 bytes each, one after the other (a file .i32: of 4 bytes), as NumPy's
\`tofile\` writes them. Steps, batch and learning rates are in model.json, under "train".

Tables have rows for a vocabulary of a multiple of 64, which GPUs like better; those behind the last token
are 0, cut off before the softmax, and in no file.

It needs PyTorch and NumPy: 1.13 or later for one process and DDP, 2.6 or later for FSDP2, tensor
parallelism and \`--compile\`. bf16 on CUDA, fp32 elsewhere.

- \`model.py\`: the model, from its equations, without sizes; \`model.json\`: its sizes and training.
- \`train.py\`: the loop. Order of data, schedule, groups of weight decay and clipping are Sinter's.
- \`finetune.py\`: answers to questions (\`--objective sft\`), and which of two answers is better (\`dpo\`,
  \`ipo\`, \`simpo\` …), from token ids, in as many processes as train.py; of a run of \`sinter sft\` or
  \`prefer\` examples.jsonl has them, and the run goes on, with the rows that it has packed and the adapters
  that it trains (\`adapters.py\`, which tensor parallelism does not divide). \`objectives.py\` has the
  equations. Reward
  models, kto and reinforcement stay with Sinter: they ask for a head, for a divergence that the trainer
  measures, or for answers that the model writes itself.
- \`parallel.py\`: DDP, FSDP2, in replicas (HSDP) too, FSDP2 × tensor parallelism, recomputation,
  compilation. Tensor parallelism divides heads, hidden columns and the vocabulary: of tables and logits each
  process has a part, and losses come from the largest logit and the sum of exponentials of all parts. What
  lies between the parts of layers is divided by places of the sequences (sequence parallelism). Positions and
  experts are whole on each. Pipelines, context and expert parallelism are planned by \`sinter plan\` and not
  written here.
- \`weights.py\`: safetensors. \`run/model.safetensors\` and \`run/moments.safetensors\` are what a run
  leaves; where one would have more than 4 GiB, a file for each layer and an index, as Hugging Face's
  checkpoints have it. With FSDP it is a folder of PyTorch's distributed checkpoints, from which any number of
  processes goes on. \`python3 weights.py run\` joins them into such files, from which the run also goes back
  to Sinter.
- \`parity/\`: the model's shadow, and what Sinter computed with it. \`plan.json\`: what was planned;
  \`train.py\` prints it beside what it measures on CUDA.
- \`slurm.sbatch\`, \`sky.yaml\`: the same on a cluster.
`;
