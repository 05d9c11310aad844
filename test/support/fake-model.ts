/**
 * A model without kernels, for tests of everything around it: its tensors lie in plain memory, and its
 * arithmetic is easy to follow.
 */
import { control, CONTROL_BYTES, hyper } from "../../runtime/contract/control.ts";
import type { Manifest, ModuleManifest, TensorPlace } from "../../runtime/contract/manifest.ts";
import type { Model, TrainSettings } from "../../runtime/contract/model.ts";
import { rowFloats } from "../../runtime/contract/tensor-layout.ts";
import { SinterError } from "../../runtime/base/errors.ts";
import { initParameters } from "../../runtime/engine/init.ts";
import { feedByPosition, Lanes } from "../../runtime/engine/lanes.ts";
import { Reservations } from "../../runtime/engine/reservations.ts";
import type { Batch, RunningModel } from "../../runtime/engine/model.ts";
import { tensorIn, type Tensor } from "../../runtime/engine/tensors.ts";
import { CallQueue } from "../../runtime/engine/call-queue.ts";

export const settings: TrainSettings = {
  batch: 2,
  context: 8,
  steps: 20,
  accumulate: 1,
  lr: 1e-2,
  minLr: 1e-3,
  warmup: 2,
  schedule: "cosine",
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  decay: 0.1,
  clip: 1,
  seed: 7,
  heldOut: 0.1,
  evalEvery: 5,
  sampleEvery: 0,
  saveEvery: 5,
};

const sizes = { vocab: 16, context: 8, width: 6, layers: 3, heads: 1, kvHeads: 1, headDim: 6 };

export interface FakeOptions {
  readonly nanAt?: number;
  /** Called with the tokens that really run. */
  readonly onRun?: (start: number, tokens: readonly number[], lane: number) => void;
  /** Default: 1. With several, the model's numerics are consistent. */
  readonly lanes?: number;
}

const fakeModule = (
  bytes: number,
  tensors: ModuleManifest["tensors"],
  { lanes = 1 }: FakeOptions,
): ModuleManifest => ({
  memoryBytes: bytes,
  memoryPages: 1,
  maxWorkers: 8,
  ...(lanes > 1 && { lanes, numerics: "consistent" as const }),
  tensors,
  entries,
  wasm: {},
});

/**
 * Two parameters: one per layer, with padding; and a vector. Each step moves every weight by lr · (1 + its
 * moment) · f(batch).
 */
export function fakeModel(seed = 1, options: FakeOptions = {}): RunningModel {
  const { places, bytes } = fakeTensors();
  const buffer = new ArrayBuffer(bytes);
  const tensors = new Map(places.map((p) => [p.name, tensorIn(buffer, p)]));
  const of: RunningModel["of"] = (storage) =>
    [...tensors.values()].filter((t) => t.place.storage === storage);
  initParameters(of("parameter"), seed);
  const module = fakeModule(bytes, places, options);
  const lanes = fakeLanes(options);
  const queue = new CallQueue();
  const reservations = new Reservations(lanes, queue);
  return {
    manifest: { ...manifest, modules: { train: module } },
    module,
    target: "simd",
    workers: 1,
    failure: undefined,
    memoryBytes: bytes,
    notes: [],
    tensors,
    of,
    entry: (name) => entries.find((e) => e.name === name)!,
    async trainStep(batches, { lr, step }) {
      if (step === options.nanAt) {
        of("gradient")[0]!.padded(1)[3] = NaN;
        return { loss: NaN, norm: NaN };
      }
      const drive = driveOf(batches);
      for (const p of of("parameter")) move(p, tensors.get(`${p.place.name}.moment1`)!, drive, lr, step);
      return { loss: 3 / step, norm: drive };
    },
    async evaluate(batch) {
      const count = batch.targets.filter((t) => t >= 0).length;
      return { sum: 2 * count, count };
    },
    tokenLosses: () => new Float32Array(16),
    logprobs: () => new Float32Array(16),
    rowOutput: () => new Float32Array(16),
    useAdapters: async () => {},
    feed: (tokens, start, signal) =>
      queue.run(async () => {
        await feedByPosition(lanes, tokens, start);
        const logits = new Float32Array(sizes.vocab);
        lanes.readLogits(logits);
        return logits;
      }, signal),
    inTurn: (work, signal) => queue.run(() => work(lanes), signal),
    openLane: (owner, o) => reservations.open(owner, o),
    closeLane: (owner) => reservations.close(owner),
    weightsChanged: () => lanes.loseAll(),
    profile: () => undefined,
    close: async () => queue.close(new SinterError("input", "fake was closed before this call had ended")),
  };
}

const entries = ["train", "evaluate", "prefill", "decode"].map((name, index) => ({
  name,
  index,
  inputs: [],
  outputs: [],
  batch: 2,
  context: 8,
  flops: 100,
}));

const manifest: Omit<Manifest, "modules"> = {
  version: 1,
  compiler: "0",
  model: { name: "fake", sizes, train: settings, tokenizer: "bytes" } as unknown as Model,
  parameters: 96,
  control,
  hyper,
};

/** Parameters, gradients and moments one after the other, behind a control block. */
function fakeTensors(): { readonly places: readonly TensorPlace[]; readonly bytes: number } {
  let bytes = CONTROL_BYTES;
  const place = (
    name: string,
    storage: TensorPlace["storage"],
    { shape, slices, layered }: Pick<TensorPlace, "shape" | "slices" | "layered">,
    of?: string,
  ): TensorPlace => {
    const ld = rowFloats(shape.at(-1)!);
    const stride = shape.slice(0, -1).reduce((a, b) => a * b, 1) * ld * 4;
    const offset = bytes;
    bytes += stride * slices;
    return {
      name,
      storage,
      dtype: "f32",
      shape,
      slices,
      layered,
      rowFloats: ld,
      offset,
      stride,
      ...(of && { of }),
      init: { kind: "normal", std: 0.5 },
    };
  };
  const parameters = [
    place("layers.mlp.up.weight", "parameter", { shape: [5, 6], slices: 3, layered: true }),
    place("output.norm.weight", "parameter", { shape: [6], slices: 1, layered: false }),
  ];
  const others = (["gradient", "moment1", "moment2"] as const).flatMap((storage) =>
    parameters.map((p) => place(`${p.name}.${storage}`, storage, p, p.name)),
  );
  return { places: [...parameters, ...others], bytes };
}

/** Lanes whose logits say that the token after n is n + 1. */
function fakeLanes({ onRun, lanes: count = 1 }: FakeOptions): Lanes {
  let last: number[] = [];
  return new Lanes({
    count,
    chunk: sizes.context,
    sizes,
    rings: [],
    consistent: count > 1,
    classes: sizes.vocab,
    breathe: async () => {},
    async run(spans) {
      for (const { start, tokens, lane } of spans) onRun?.(start, [...tokens], lane);
      last = spans.map(({ tokens }) => tokens.at(-1)!);
    },
    logits: (span) =>
      Float32Array.from({ length: sizes.vocab }, (_, i) => (i === (last[span]! + 1) % sizes.vocab ? 9 : 0)),
    copy: () => {},
  });
}

/** A number that depends on every token of a step and on its position. */
const driveOf = (batches: readonly Batch[]): number =>
  batches.reduce((sum, b) => sum + b.tokens.reduce((a, t, i) => a + t * (i + 1), 0), 0) / 1000;

function move(parameter: Tensor, moment: Tensor, drive: number, lr: number, step: number): void {
  for (let slice = 0; slice < parameter.place.slices; slice++) {
    const w = parameter.dense(slice).slice();
    const m = moment.dense(slice).slice();
    for (let i = 0; i < w.length; i++) {
      m[i] = Math.fround(0.9 * m[i]! + drive * Math.sin(i + step));
      w[i] = Math.fround(w[i]! - lr * m[i]!);
    }
    parameter.write(w, slice);
    moment.write(m, slice);
  }
}

/** All parameters, as one text: equal texts, equal bits. */
export const bitsOf = (model: RunningModel): string =>
  model
    .of("parameter")
    .flatMap((t) =>
      Array.from({ length: t.place.slices }, (_, slice) =>
        Buffer.from(Float32Array.from(t.dense(slice)).buffer).toString("base64"),
      ),
    )
    .join();
