/** All texts of an exported PyTorch program. Pure: numbers of parity come from whoever runs the shadow. */
import type { Model } from "../../runtime/contract/model.ts";
import { parameterCount } from "../2-check/parameters.ts";
import { originText } from "../planner/hardware-text.ts";
import type { TrainingPlan } from "../planner/plan.ts";
import { structureHash } from "../planner/structure.ts";
import { finetunePy } from "./finetune-py.ts";
import { objectivesPy } from "./objectives-py.ts";
import { readme, runSh, sky, slurm, type Launch } from "./launchers.ts";
import { modelPy } from "./model-py.ts";
import { parallelPy } from "./parallel-py.ts";
import { parityPy } from "./parity-py.ts";
import { initialOf, SHADOW_PADDING, sizesJson } from "./sizes-json.ts";
import { trainPy } from "./train-py.ts";
import { programTensors } from "./weight-layout.ts";
import { weightsPy } from "./weights-py.ts";

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/**
 * File → text. `shadow` is the model in small, on which the program is held against Sinter; `objective` is
 * what a run after pre-training makes smaller.
 */
export async function programTexts(
  model: Model,
  shadow: Model,
  plan: TrainingPlan,
  parity: object,
  objective?: string,
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
  const tensors = programTensors(model).map(({ name, shape }) => [name, shape] as const);
  return new Map([
    ["model.py", `${modelPy(model)}\n`],
    [
      "model.json",
      json({
        ...sizesJson(model, structure, initialOf(model)),
        parameters: parameterCount(model),
        ...(objective !== undefined && { objective }),
      }),
    ],
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
    ["README.md", readme(model, structure, objective)],
  ]);
}
