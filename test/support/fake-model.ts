/**
 * A model without kernels, for tests of what stands around it: tensors in plain memory, an arithmetic that is
 * easy to follow.
 */
import { hyper, control } from "../../runtime/contract/control.ts";
import type { Manifest, ModuleManifest, TensorPlace } from "../../runtime/contract/manifest.ts";
import type { Model, TrainSettings } from "../../runtime/contract/model.ts";
import { rowFloats } from "../../runtime/contract/tensor-layout.ts";
import { SinterError } from "../../runtime/base/errors.ts";
import { initParameters } from "../../runtime/engine/init.ts";
import { createLane, feedByPosition } from "../../runtime/engine/lane.ts";
import type { RunningModel } from "../../runtime/engine/model.ts";
import { tensorIn } from "../../runtime/engine/tensors.ts";
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
  /** Hears of the tokens that really run. */
  readonly onRun?: (start: number, tokens: readonly number[]) => void;
}

/**
 * Two parameters: one per layer, with padding; and a vector. Each step moves every weight by lr · (1 + its
 * moment) · f(batch).
 */
export function fakeModel(seed = 1, options: FakeOptions = {}): RunningModel {
  let offset = 4096;
  const place = (
    name: string,
    storage: TensorPlace["storage"],
    shape: readonly number[],
    slices: number,
    layered: boolean,
    of?: string,
  ): TensorPlace => {
    const ld = rowFloats(shape.at(-1)!);
    const stride = shape.slice(0, -1).reduce((a, b) => a * b, 1) * ld * 4;
    const at = offset;
    offset += stride * slices;
    return {
      name,
      storage,
      dtype: "f32",
      shape,
      slices,
      layered,
      rowFloats: ld,
      offset: at,
      stride,
      ...(of && { of }),
      init: { kind: "normal", std: 0.5 },
    };
  };
  const parameters = [
    place("layers.mlp.up.weight", "parameter", [5, 6], 3, true),
    place("output.norm.weight", "parameter", [6], 1, false),
  ];
  const others = (["gradient", "moment1", "moment2"] as const).flatMap((storage) =>
    parameters.map((p) => place(`${p.name}.${storage}`, storage, p.shape, p.slices, p.layered, p.name)),
  );
  const places = [...parameters, ...others];
  const buffer = new ArrayBuffer(offset);
  const tensors = new Map(places.map((p) => [p.name, tensorIn(buffer, p)]));
  const of: RunningModel["of"] = (storage) =>
    [...tensors.values()].filter((t) => t.place.storage === storage);
  initParameters(of("parameter"), seed);
  const entries = ["train", "evaluate", "prefill", "decode"].map((name, index) => ({
    name,
    index,
    inputs: [],
    outputs: [],
    batch: 2,
    context: 8,
    flops: 100,
  }));
  const module: ModuleManifest = {
    memoryBytes: offset,
    memoryPages: 1,
    maxWorkers: 8,
    tensors: places,
    entries,
    wasm: {},
  };
  const model = { name: "fake", sizes, train: settings, tokenizer: "bytes" } as unknown as Model;
  const manifest: Manifest = {
    version: 1,
    compiler: "0",
    model,
    parameters: 96,
    control,
    hyper,
    modules: { train: module },
  };
  let last = 0;
  const lane = createLane({
    chunk: sizes.context,
    sizes,
    classes: sizes.vocab,
    breathe: async () => {},
    async run(ids, start) {
      options.onRun?.(start, [...ids]);
      last = ids.at(-1)!;
    },
    logits: () =>
      Float32Array.from({ length: sizes.vocab }, (_, i) => (i === (last + 1) % sizes.vocab ? 9 : 0)),
  });
  const queue = new CallQueue();
  return {
    manifest,
    module,
    target: "simd",
    workers: 1,
    notes: [],
    tensors,
    of,
    entry: (name) => entries.find((e) => e.name === name)!,
    async trainStep(micro, { lr, step }) {
      if (step === options.nanAt) {
        of("gradient")[0]!.padded(1)[3] = NaN;
        return { loss: NaN, norm: NaN };
      }
      const drive =
        micro.reduce((sum, b) => sum + b.tokens.reduce((a, t, i) => a + t * (i + 1), 0), 0) / 1000;
      for (const p of of("parameter"))
        for (let slice = 0; slice < p.place.slices; slice++) {
          const m1 = tensors.get(`${p.place.name}.moment1`)!;
          const w = p.dense(slice).slice();
          const m = m1.dense(slice).slice();
          for (let i = 0; i < w.length; i++) {
            m[i] = Math.fround(0.9 * m[i]! + drive * Math.sin(i + step));
            w[i] = Math.fround(w[i]! - lr * m[i]!);
          }
          p.write(w, slice);
          m1.write(m, slice);
        }
      return { loss: 3 / step, norm: drive };
    },
    async evaluate(batch) {
      const count = batch.targets.filter((t) => t >= 0).length;
      return { sum: 2 * count, count };
    },
    tokenLosses: () => new Float32Array(16),
    logprobs: () => new Float32Array(16),
    feed: (tokens, start, signal) =>
      queue.run(async () => {
        await feedByPosition(lane, tokens, start);
        const logits = new Float32Array(sizes.vocab);
        lane.readLogits(logits);
        return logits;
      }, signal),
    inTurn: (work, signal) => queue.run(() => work(lane), signal),
    weightsChanged: () => void (lane.holder = undefined),
    profile: () => undefined,
    close: async () => queue.close(new SinterError("input", "fake was closed before this call had ended")),
  };
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
