/**
 * What an exported PyTorch program has learnt comes back into the run that it went out from: its weights and
 * moments become a checkpoint of their step, and the run goes on from there, with the batches that come next.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { scatterTensor, type ProgramTensor } from "../../../compiler/torch/weight-layout.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { randomFrom } from "../../../runtime/base/random.ts";
import type { Moment } from "../../../runtime/contract/moment-codes.ts";
import { checkpointName, momentInCodes } from "../../../runtime/engine/tensors.ts";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import {
  writeCheckpoint,
  type OpenCheckpoint,
  type TensorToSave,
} from "../../../runtime/store/checkpoint-file.ts";
import { checkpointFile, openNewest } from "../../../runtime/store/checkpoint.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { plainFormat } from "../../../runtime/store/stored-format.ts";
import { encodedMoments } from "../../../runtime/store/take-moments.ts";
import type { TrainState } from "../../../runtime/store/train-state.ts";
import type { Io } from "../terminal/io.ts";
import { adaptersIn, trainedModule, trainedTensors } from "./export-torch.ts";
import { allFloats, type StoredTensor, type WeightFile } from "../../../runtime/formats/kit/weights.ts";
import { openStem } from "../../../runtime/formats/safetensors-weights.ts";
import { openWeights } from "./open-weights.ts";

/** What train.py leaves, in a file or several, and what these hold by Sinter's prefixes and by PyTorch's. */
const STEMS = {
  model: { "": "" },
  moments: { "moment1.": "exp_avg.", "moment2.": "exp_avg_sq." },
} as const;
const STEP = "step.json";

/** `from`: the program's folder of its run. Returns the step of the new checkpoint. */
export async function importTorch(run: Run, from: string, io: Io): Promise<number> {
  if (!isKnownThere(run))
    throw new SinterError(
      "input",
      `${run.folder} learns from rows of which the program does not know which come next`,
      "Runs over windows of a text go there and come back; after pre-training those of sft and prefer.",
    );
  const step = stepOf(from);
  const opened = await openWeights(nodeFiles(), run, io, openNewest);
  try {
    await takeStep(run, opened, from, step);
  } finally {
    await opened.close();
  }
  return step;
}

async function takeStep(run: Run, opened: OpenCheckpoint, from: string, step: number): Promise<void> {
  const { model } = run.bundle.manifest;
  const { state } = opened;
  if (step <= state.step)
    throw new SinterError("input", `${from} is of step ${step}, and ${run.folder} is at step ${state.step}`);
  const trained = trainedTensors(model, adaptersIn(run));
  const unlock = lockFolder(run.folder);
  const found: WeightFile[] = [];
  try {
    const tensors = untouched(run, opened);
    for (const [stem, prefixes] of Object.entries(STEMS)) {
      const weights = await openedThere(from, stem);
      found.push(weights);
      for (const [ours, theirs] of Object.entries(prefixes))
        tensors.push(...gathered(run, trained, weights, ours, theirs));
    }
    const next = afterSteps(run, state, step);
    await writeCheckpoint(nodeFiles(), run.folder, checkpointFile(step), tensors, next);
  } finally {
    unlock();
    for (const weights of found) await weights.close();
  }
}

async function openedThere(from: string, stem: string): Promise<WeightFile> {
  const found = await openStem(nodeFiles(), from, stem);
  if (found) return found;
  throw new SinterError(
    "input",
    `${from} has no ${stem}.safetensors, and no index of several files`,
    "train.py writes it; the program's weights.py joins it from what --mode fsdp leaves.",
  );
}

/** What stands beside adapters, as the run's own checkpoint keeps it. */
const untouched = (run: Run, opened: OpenCheckpoint): TensorToSave[] =>
  trainedModule(run)
    .tensors.filter(({ storage, trained }) => storage === "parameter" && trained === false)
    .flatMap((place) =>
      Array.from({ length: place.slices }, (_, slice): TensorToSave => {
        const [name, { shape }] = [checkpointName(place, slice), place];
        return { name, shape, format: opened.formatOf(name), bytes: () => storedPieces(opened, name, shape) };
      }),
    );

async function* storedPieces(
  opened: OpenCheckpoint,
  name: string,
  shape: readonly number[],
): AsyncGenerator<Uint8Array> {
  const pieces: Uint8Array[] = [];
  await opened.rows(name, shape, (bytes) => pieces.push(bytes.slice()));
  yield* pieces;
}

/** Whether the program takes the steps that the run would take. */
function isKnownThere({ bundle, record: { stage } }: Run): boolean {
  if (stage) return stage.stage === "prefer" || stage.stage === "sft";
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

/** Sinter's tensors out of the program's, each read when its turn comes. */
function gathered(
  run: Run,
  tensors: readonly ProgramTensor[],
  { path, tensors: stored }: WeightFile,
  ours: string,
  theirs: string,
): TensorToSave[] {
  const inCodes = momentsInCodes(run);
  const pieces = new Map<string, (readonly [ProgramTensor, StoredTensor])[]>();
  for (const tensor of tensors) {
    const name = theirs + tensor.name;
    const found = stored.get(name);
    if (found?.type !== "F32" || found.shape.join() !== tensor.shape.join())
      throw new SinterError("input", `${path}: ${name} is no F32 [${tensor.shape.join(", ")}]`);
    pieces.set(tensor.of, [...(pieces.get(tensor.of) ?? []), [tensor, found]]);
  }
  return [...pieces].map(([of, parts]): TensorToSave => {
    const [name, shape] = [ours + of, parts[0]![0].ofShape];
    const moment = inCodes.get(name);
    return {
      name,
      shape,
      // PyTorch's f32, each number as the code that is nearest to it
      ...(moment && { format: { ...plainFormat, moment } }),
      async *bytes() {
        const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
        for (const [tensor, found] of parts) scatterTensor(tensor, await allFloats(found), values);
        yield moment ? encodedMoments(shape, moment, values) : new Uint8Array(values.buffer);
      },
    };
  });
}

/** The run's state as if it had made the steps itself: windows of a text are drawn from a stream. */
function afterSteps({ bundle, record }: Run, state: TrainState, step: number): TrainState {
  const { train } = bundle.manifest.model;
  const random = randomFrom(state.batches);
  const windows = (step - state.step) * train.accumulate * train.batch;
  if (!record.stage) for (let i = 0; i < windows; i++) random.below(1);
  return { ...state, step, tokens: state.tokens + windows * train.context, batches: random.state() };
}
