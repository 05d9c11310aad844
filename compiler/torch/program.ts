/** All texts of an exported PyTorch program. Pure: numbers of parity come from whoever runs the shadow. */
import type { Model } from "../../runtime/contract/model.ts";
import { parameterCount } from "../2-check/parameters.ts";
import { originText } from "../planner/hardware-text.ts";
import type { TrainingPlan } from "../planner/plan.ts";
import { structureHash } from "../planner/structure.ts";
import type { ProgramAdapters } from "./adapter-layout.ts";
import { adaptersPy } from "./adapters-py.ts";
import { finetunePy } from "./finetune-py.ts";
import { objectivesPy } from "./objectives-py.ts";
import { readme, runSh, sky, slurm, type Launch } from "./launchers.ts";
import { modelPy } from "./model-py.ts";
import { parallelPy } from "./parallel-py.ts";
import { parityPy } from "./parity-py.ts";
import { initialOf, SHADOW_PADDING, sizesJson } from "./sizes-json.ts";
import { trainPy } from "./train-py.ts";
import { programTensors, type ProgramTensor } from "./weight-layout.ts";
import { weightsPy } from "./weights-py.ts";

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** What a run after pre-training adds to the program. */
export interface ProgramRun {
  /** What it makes smaller. */
  readonly objective: string;
  /** Whether several examples share a row. */
  readonly packed: boolean;
  readonly adapters: ProgramAdapters | undefined;
}

/** File → text. `shadow` is the model in small, on which the program is held against Sinter. */
export async function programTexts(
  model: Model,
  shadow: Model,
  plan: TrainingPlan,
  parity: object,
  run?: ProgramRun,
): Promise<ReadonlyMap<string, string>> {
  const structure = await structureHash(model);
  const { settings, memory, step } = plan;
  const launch: Launch = {
    ...settings,
    node: settings.card.node,
    accelerator: (settings.card.own?.like ?? settings.card.name).toUpperCase(),
  };
  const rows = shadow.sizes.vocab + SHADOW_PADDING;
  const shadowSizes = sizesJson(shadow, structure, initialOf(shadow), rows);
  const beside = run?.adapters?.tensors ?? [];
  const tensors = [...programTensors(model), ...beside].map(({ name, shape }) => [name, shape] as const);
  return new Map([
    ["model.py", `${modelPy(model, beside.length > 0)}\n`],
    [
      "model.json",
      json({
        ...sizesJson(model, structure, initialOf(model)),
        parameters: parameterCount(model) + numbersIn(beside),
        ...(run && runJson(run)),
      }),
    ],
    ...(beside.length > 0 ? ([["adapters.py", adaptersPy]] as const) : []),
    ["parallel.py", parallelPy],
    ["train.py", trainPy],
    ["finetune.py", finetunePy],
    ["objectives.py", `${objectivesPy(model)}\n`],
    ["weights.py", weightsPy],
    ["test_parity.py", parityPy],
    ["parity/model.json", json({ ...shadowSizes, parity })],
    ["parity/tensors.json", json(Object.fromEntries(tensors))],
    [
      "plan.json",
      json({
        hardware: settings.card.name,
        ...(settings.card.own && { figures: originText(settings.card) }),
        devices: settings.devices,
        tensor: settings.tensor,
        sequence: settings.sequence,
        micro: settings.micro,
        accumulation: settings.accumulation,
        recompute: settings.recompute,
        tokens_per_second: plan.tokensPerSecond,
        memory_bytes: memory.reserved,
        step_seconds: step.seconds,
        run_hours: plan.run.hours,
      }),
    ],
    ["run.sh", runSh],
    ["slurm.sbatch", slurm(model, launch)],
    ["sky.yaml", sky(model, launch)],
    ["README.md", readme(model, structure, run?.objective)],
  ]);
}

const numbersIn = (tensors: readonly ProgramTensor[]): number =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

const runJson = ({ objective, packed, adapters }: ProgramRun): object => ({
  objective,
  ...(packed && { packing: "best_fit" }),
  ...(adapters && {
    lora: { rank: adapters.rank, scale: adapters.scale, maps: adapters.maps, whole: adapters.whole },
  }),
});
