/**
 * A model as a PyTorch program (compiler/torch), with what its shadow computes here, against which the
 * program is held wherever it runs; and, of a run, its weights and moments.
 */
import { mkdir, open, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { TrainingPlan } from "../../../compiler/planner/plan.ts";
import { printSpec } from "../../../compiler/print-spec.ts";
import { shadowOf } from "../../../compiler/planner/shadow.ts";
import { programAdapters, type ProgramAdapters } from "../../../compiler/torch/adapter-layout.ts";
import { programTexts } from "../../../compiler/torch/program.ts";
import { gatherTensor, programTensors, type ProgramTensor } from "../../../compiler/torch/weight-layout.ts";
import { nameInLayer } from "../../../runtime/contract/parameter-names.ts";
import type { ModuleManifest } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { OpenCheckpoint } from "../../../runtime/store/checkpoint-file.ts";
import { writeHeader, type SafeDType } from "../../../runtime/store/safetensors.ts";
import type { Tokens } from "../../../runtime/train/sources/text-windows.ts";
import { wholeFolder } from "../terminal/whole-folder.ts";

/** Parameters of the shadow, at most; its batch; steps that both sides take. */
const PARAMETERS = 100_000;
const BATCH = 4;
const CONTEXT = 32;
const STEPS = 20;
const SEED = 1337;
const LEARNING_RATE = 3e-3;

type Values = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

interface Numbers {
  readonly name: string;
  readonly dtype: SafeDType;
  readonly shape: readonly number[];
  readonly values: Values | (() => Promise<Values>);
}

export interface TorchExport {
  readonly tensors: number;
  /** Of the run's weights. Absent: the program begins with weights of its own. */
  readonly step: number | undefined;
}

/** Of a run after pre-training. */
export interface TokenExamples {
  /** What the run makes smaller. */
  readonly objective: string;
  /** Whether several share a row. */
  readonly packed: boolean;
  /** JSON, in token ids. */
  readonly lines: readonly string[];
}

/** What a run adds to the program. */
export interface TorchContents {
  readonly checkpoint?: OpenCheckpoint | undefined;
  /** Of the text that it learns, in 2 or 4 bytes each. */
  readonly tokens?: Tokens | undefined;
  readonly examples?: TokenExamples | undefined;
  readonly adapters?: ProgramAdapters | undefined;
}

export async function exportTorch(
  model: Model,
  plan: TrainingPlan,
  out: string,
  { checkpoint, tokens, examples, adapters }: TorchContents,
): Promise<TorchExport> {
  const shadow = trainable(shadowOf(model, PARAMETERS));
  const numbers = await shadowNumbers(shadow);
  const { beta1, beta2, eps, decay, clip } = shadow.train;
  const parity = { lr: LEARNING_RATE, beta1, beta2, eps, decay, clip };
  const run = examples && { ...examples, adapters };
  const texts = await programTexts(model, shadow, plan, parity, run);
  return wholeFolder(out, "model.json", async (into) => {
    for (const [name, text] of texts) {
      await mkdir(dirname(join(into, name)), { recursive: true });
      await writeFile(join(into, name), text);
    }
    await writeNumbers(join(into, "parity/parity.safetensors"), numbers);
    const tensors = [...programTensors(model), ...(adapters?.tensors ?? [])];
    if (tokens) {
      const name = tokens instanceof Uint16Array ? "tokens.bin" : "tokens.i32";
      await writeFile(join(into, name), new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
    }
    if (examples)
      await writeFile(join(into, "examples.jsonl"), examples.lines.map((line) => `${line}\n`).join(""));
    if (checkpoint) await writeRun(join(into, "run"), tensors, trainedTensors(model, adapters), checkpoint);
    return { tensors: tensors.length, step: checkpoint?.state.step };
  });
}

/** With a batch of its own, and all else that training takes by default. */
function trainable(shadow: Model): Model {
  const spec = printSpec(shadow, { train: `batch ${BATCH}  context ${CONTEXT}` });
  return checkSource(spec).models[0]!;
}

/** What Sinter computes with the shadow: logits, gradients, losses of some steps, weights around them. */
async function shadowNumbers(shadow: Model): Promise<Numbers[]> {
  const bundle = await compileModel(shadow, { modules: ["train"], targets: ["simd"] });
  const model = await createModel(bundle, "train", {
    host: nodeHost,
    workers: 1,
    target: "simd",
    seed: SEED,
  });
  try {
    const tensors = programTensors(shadow);
    const batch = drawBatch(shadow.sizes.vocab);
    const before = named(tensors, "weights.", numbersOf(model, "parameter"));
    const logits = await logitsOf(model, batch.tokens);
    const losses: number[] = [];
    let norm = 0;
    let gradients: Numbers[] = [];
    for (let step = 1; step <= STEPS; step++) {
      const made = await model.trainStep([batch], { lr: LEARNING_RATE, step });
      losses.push(made.loss);
      if (step > 1) continue;
      norm = made.norm;
      gradients = named(tensors, "gradient.", numbersOf(model, "gradient"));
    }
    return [
      ...before,
      ...gradients,
      ...named(tensors, "after.", numbersOf(model, "parameter")),
      { name: "tokens", dtype: "I32", shape: [BATCH, CONTEXT], values: batch.tokens },
      { name: "targets", dtype: "I32", shape: [BATCH, CONTEXT], values: batch.targets },
      { name: "logits", dtype: "F32", shape: [BATCH * CONTEXT, shadow.sizes.vocab], values: logits },
      { name: "losses", dtype: "F32", shape: [STEPS], values: Float32Array.from(losses) },
      { name: "norm", dtype: "F32", shape: [1], values: Float32Array.of(norm) },
    ];
  } finally {
    await model.close();
  }
}

/** Random tokens; of the targets some do not count. */
function drawBatch(vocab: number): { tokens: Int32Array<ArrayBuffer>; targets: Int32Array<ArrayBuffer> } {
  const random = randomStream(SEED, "parity");
  const draw = (): number => random.below(vocab);
  const tokens = Int32Array.from({ length: BATCH * CONTEXT }, draw);
  const targets = Int32Array.from({ length: BATCH * CONTEXT }, (_, i) => (i % 7 === 3 ? -1 : draw()));
  return { tokens, targets };
}

/** Each row of each sequence, one token after the other. */
async function logitsOf(model: RunningModel, tokens: Int32Array): Promise<Float32Array<ArrayBuffer>> {
  const { vocab } = model.manifest.model.sizes;
  const logits = new Float32Array(tokens.length * vocab);
  for (const [i, token] of tokens.entries()) logits.set(await model.feed([token], i % CONTEXT), i * vocab);
  return logits;
}

/** Dense tensors by their names in checkpoints. */
function numbersOf(
  model: RunningModel,
  storage: "parameter" | "gradient",
): Map<string, Float32Array<ArrayBuffer>> {
  return new Map(
    model.of(storage).flatMap((tensor) => {
      const { name, of, slices, layered } = tensor.place;
      return Array.from({ length: slices }, (_, slice) => {
        const own = of ?? name;
        const dense = Float32Array.from(tensor.dense(slice) as Float32Array);
        return [layered ? nameInLayer(own, slice) : own, dense] as const;
      });
    }),
  );
}

const named = (
  tensors: readonly ProgramTensor[],
  prefix: string,
  numbers: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
): Numbers[] =>
  tensors.map((tensor) => ({
    name: prefix + tensor.name,
    dtype: "F32",
    shape: tensor.shape,
    values: gatherTensor(tensor, numbers.get(tensor.of)!),
  }));

async function writeNumbers(path: string, numbers: readonly Numbers[]): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(writeHeader(numbers, { format: "pt" }));
    for (const { values } of numbers) {
      const all = typeof values === "function" ? await values() : values;
      await file.writeFile(new Uint8Array(all.buffer, all.byteOffset, all.byteLength));
    }
  } finally {
    await file.close();
  }
}

/** What PyTorch's AdamW calls the two moments. */
const momentNames = { moment1: "exp_avg", moment2: "exp_avg_sq" } as const;

/** The module that a run trains, or, of an imported model, the only one that it has. */
export const trainedModule = ({ bundle: { manifest } }: Run): ModuleManifest =>
  (manifest.modules.train ?? manifest.modules.infer)!;

export const adaptersIn = (run: Run): ProgramAdapters | undefined =>
  programAdapters(run.bundle.manifest.model, trainedModule(run));

/** What the program trains: beside adapters, these, and the tensors that their run trains whole. */
export const trainedTensors = (model: Model, adapters: ProgramAdapters | undefined): ProgramTensor[] => {
  const all = programTensors(model);
  if (!adapters) return all;
  return [...all.filter(({ name }) => adapters.whole.includes(name)), ...adapters.tensors];
};

/**
 * The run as train.py would have left it: it goes on from there, with the moments where the checkpoint has
 * them.
 */
async function writeRun(
  folder: string,
  all: readonly ProgramTensor[],
  trained: readonly ProgramTensor[],
  checkpoint: OpenCheckpoint,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const gathered = (tensors: readonly ProgramTensor[], prefix: string, name: string): Numbers[] =>
    tensors.map((tensor) => ({
      name: name + tensor.name,
      dtype: "F32",
      shape: tensor.shape,
      values: async () => gatherTensor(tensor, await checkpoint.read(prefix + tensor.of, tensor.ofShape)),
    }));
  await writeNumbers(join(folder, "model.safetensors"), gathered(all, "", ""));
  // a run that has taken no step has none
  if (!trained.every(({ of }) => checkpoint.tensors.has(`moment1.${of}`))) return;
  const moments = Object.entries(momentNames).flatMap(([ours, theirs]) =>
    gathered(trained, `${ours}.`, `${theirs}.`),
  );
  await writeNumbers(join(folder, "moments.safetensors"), moments);
  await writeFile(join(folder, "step.json"), `${JSON.stringify({ step: checkpoint.state.step })}\n`);
}
