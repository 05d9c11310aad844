/**
 * What an exported PyTorch program has learnt comes back into the run that it went out from: its weights and
 * moments become a checkpoint of their step, and the run goes on from there, with the batches that come next.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { programTensors, scatterTensor } from "../../../compiler/torch/weight-layout.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { randomFrom } from "../../../runtime/base/random.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Moment } from "../../../runtime/contract/moment-codes.ts";
import { checkpointName, momentInCodes } from "../../../runtime/engine/tensors.ts";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { writeCheckpoint, type TensorToSave } from "../../../runtime/store/checkpoint-file.ts";
import { checkpointFile, openNewest } from "../../../runtime/store/checkpoint.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { readSafetensors } from "../../../runtime/store/safetensors.ts";
import { plainFormat } from "../../../runtime/store/stored-format.ts";
import { encodedMoments } from "../../../runtime/store/take-moments.ts";
import type { TrainState } from "../../../runtime/store/train-state.ts";
import type { Io } from "../terminal/io.ts";
import { openWeights } from "./open-weights.ts";

/** Files that train.py leaves, and what they hold by Sinter's prefixes and by PyTorch's. */
const FILES = [
  { file: "model.safetensors", kinds: { "": "" } },
  { file: "moments.safetensors", kinds: { "moment1.": "exp_avg.", "moment2.": "exp_avg_sq." } },
] as const;
const STEP = "step.json";

/** `from`: the program's folder of its run. Returns the step of the new checkpoint. */
export async function importTorch(run: Run, from: string, io: Io): Promise<number> {
  const { model } = run.bundle.manifest;
  if (!isKnownThere(run))
    throw new SinterError(
      "input",
      `${run.folder} learns from rows of which the program does not know which come next, or beside matrices`,
      "Runs over windows of a text go there and come back; after pre-training those of prefer, and of sft " +
        "with packing none, that train all parameters.",
    );
  const step = stepOf(from);
  const opened = await openWeights(nodeFiles(), run, io, openNewest);
  const { state } = opened;
  await opened.close();
  if (step <= state.step)
    throw new SinterError("input", `${from} is of step ${step}, and ${run.folder} is at step ${state.step}`);
  const inCodes = momentsInCodes(run);
  const tensors = FILES.flatMap(({ file, kinds }) =>
    Object.entries(kinds).flatMap(([ours, theirs]) => gathered(model, join(from, file), ours, theirs)),
  ).map((tensor) => {
    const moment = inCodes.get(tensor.name);
    return moment ? inMomentCodes(tensor, moment) : tensor;
  });
  const unlock = lockFolder(run.folder);
  try {
    const next = afterSteps(run, state, step);
    await writeCheckpoint(nodeFiles(), run.folder, checkpointFile(step), tensors, next);
  } finally {
    unlock();
  }
  return step;
}

/** Whether the program takes the steps that the run would take. */
function isKnownThere({ bundle, record: { stage } }: Run): boolean {
  if (stage?.lora) return false;
  if (stage) return stage.stage === "prefer" || (stage.stage === "sft" && stage.packing === "none");
  return bundle.manifest.model.train.rows === undefined;
}

/** The moments that the run keeps in 8 bits, by their names in a checkpoint. */
const momentsInCodes = ({ bundle }: Run): ReadonlyMap<string, Moment> =>
  new Map(
    (bundle.manifest.modules.train?.tensors ?? []).flatMap((place): [string, Moment][] => {
      const moment = momentInCodes(place);
      if (!moment) return [];
      const named = { ...place, name: place.of! };
      const names = Array.from({ length: place.slices }, (_, i) => `${moment}.${checkpointName(named, i)}`);
      return names.map((name) => [name, moment]);
    }),
  );

/** PyTorch's f32, each number as the code that is nearest to it. */
const inMomentCodes = ({ name, shape, values }: Gathered, moment: Moment): TensorToSave => ({
  name,
  shape,
  format: { ...plainFormat, moment },
  bytes: () => [encodedMoments(shape, moment, values)],
});

/** A tensor of the program's, in the run's shape. */
interface Gathered extends TensorToSave {
  readonly values: Float32Array<ArrayBuffer>;
}

function stepOf(folder: string): number {
  const path = join(folder, STEP);
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const step = Number(/^\s*\{\s*"step":\s*([1-9]\d*)\s*\}\s*$/.exec(text)?.[1]);
  if (Number.isSafeInteger(step)) return step;
  throw new SinterError(
    "input",
    `${folder} is no folder that an exported program has trained in: its ${STEP} names no step`,
    "It is the --out of train.py.",
  );
}

/** Sinter's tensors out of a file of the program's. */
function gathered(model: Model, path: string, ours: string, theirs: string): Gathered[] {
  if (!existsSync(path))
    throw new SinterError(
      "input",
      `${path} is missing`,
      "train.py writes it; the program's weights.py joins it from what --mode fsdp leaves.",
    );
  const bytes = readFileSync(path);
  const { tensors } = readSafetensors(bytes, path);
  const made = new Map<string, { shape: readonly number[]; values: Float32Array<ArrayBuffer> }>();
  for (const tensor of programTensors(model)) {
    const name = theirs + tensor.name;
    const found = tensors.get(name);
    if (found?.dtype !== "F32" || found.shape.join() !== tensor.shape.join())
      throw new SinterError("input", `${path}: ${name} is no F32 [${tensor.shape.join(", ")}]`);
    const own = Uint8Array.from(bytes.subarray(found.begin, found.end)).buffer;
    const into = made.get(tensor.of) ?? {
      shape: tensor.ofShape,
      values: new Float32Array(tensor.ofShape.reduce((a, b) => a * b, 1)),
    };
    scatterTensor(tensor, new Float32Array(own), into.values);
    made.set(tensor.of, into);
  }
  return [...made].map(([name, { shape, values }]) => ({
    name: ours + name,
    shape,
    values,
    bytes: () => [new Uint8Array(values.buffer)],
  }));
}

/** The run's state as if it had made the steps itself: windows of a text are drawn from a stream. */
function afterSteps({ bundle, record }: Run, state: TrainState, step: number): TrainState {
  const { train } = bundle.manifest.model;
  const random = randomFrom(state.batches);
  const windows = (step - state.step) * train.accumulate * train.batch;
  if (!record.stage) for (let i = 0; i < windows; i++) random.below(1);
  return { ...state, step, tokens: state.tokens + windows * train.context, batches: random.state() };
}
