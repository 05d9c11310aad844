/** The runtime on a real compiled model: workers, accumulation, cache, self-check, and incomplete bundles. */
import { beforeAll, describe, expect, it } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { guardAgainstNaN } from "../../../runtime/engine/nan-guard.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { selfCheck } from "../../../runtime/engine/self-check.ts";
import { wasmBytes } from "../../../runtime/engine/bundle.ts";
import { createMemory } from "../../../runtime/engine/partitions.ts";
import { keepFindings } from "../../../runtime/node/findings.ts";
import { bitsOf } from "../../support/fake-model.ts";
import { keptInMemory } from "../../support/kept-in-memory.ts";

const SPEC = `model small {
  vocab 61  context 24  width 40  layers 3  heads 5
  embed token + position
  layer {
    x += attention(layernorm(x), bias: true)
    x += mlp(layernorm(x), hidden: 72, activation: gelu_tanh, bias: true)
  }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { batch 3  context 24  lr 1e-2 }
}
`;

let bundle: Compiled;
beforeAll(async () => {
  bundle = await compileModel(checkSource(SPEC).models[0]!, {
    modules: ["train"],
    targets: ["simd", "wide"],
  });
});

const batches = (count: number): Batch[] => {
  const random = randomStream(1, "test batches");
  return Array.from({ length: count }, () => ({
    tokens: Int32Array.from({ length: 72 }, () => random.below(61)),
    targets: Int32Array.from({ length: 72 }, () => random.below(61)),
  }));
};
const open = (workers: number, seed = 4): Promise<RunningModel> =>
  createModel(bundle, "train", { host: nodeHost, workers, target: "simd", seed });

async function trained(workers: number, steps: number): Promise<string> {
  const model = await open(workers);
  const losses: number[] = [];
  for (const [i, batch] of batches(steps).entries())
    losses.push((await model.trainStep([batch], { lr: 1e-2, step: i + 1 })).loss);
  const bits = `${losses.join()} ${bitsOf(model)}`;
  await model.close();
  return bits;
}

describe("a compiled model", () => {
  it("computes the same bits with 1, 2, 3 and 4 workers", async () => {
    const one = await trained(1, 5);
    for (const workers of [2, 3, 4]) expect(await trained(workers, 5)).toBe(one);
  });

  it("learns a batch by heart", async () => {
    const model = await open(1);
    const [batch] = batches(1);
    let loss = Infinity;
    for (let step = 1; step <= 60; step++) loss = (await model.trainStep([batch!], { lr: 1e-2, step })).loss;
    expect(loss).toBeLessThan(1);
  });

  it("sums the gradients of micro-batches, weighted by their targets", async () => {
    const model = await open(1);
    const [a, b] = batches(2);
    b!.targets.fill(-1, 10); // with fewer targets, a mean of means would be wrong
    const gradients = async (micro: readonly Batch[]): Promise<number[]> => {
      await model.trainStep(micro, { lr: 0, step: 1 });
      return model
        .of("gradient")
        .flatMap((t) => Array.from({ length: t.place.slices }, (_, slice) => [...t.dense(slice)]).flat());
    };
    const [onlyA, onlyB, both] = [await gradients([a!]), await gradients([b!]), await gradients([a!, b!])];
    expect(
      Math.max(...both.map((g, i) => Math.abs(g - (onlyA[i]! * 72 + onlyB[i]! * 10) / 82))),
    ).toBeLessThan(1e-6);
    const { loss } = await model.trainStep([a!, b!], { lr: 0, step: 1 });
    const sums = [await model.evaluate(a!), await model.evaluate(b!)];
    expect(sums.map((s) => s.count)).toEqual([72, 10]);
    expect(loss).toBeCloseTo((sums[0]!.sum + sums[1]!.sum) / 82, 5);
  });

  it(
    "decodes in partial sums with the same logits, and the same bits for any number of " + "workers",
    async () => {
      const split = await compileModel(checkSource(SPEC).models[0]!, {
        modules: ["infer"],
        targets: ["wide"],
        splitBytes: 0,
        verify: true,
      });
      for (const kernel of ["matmul_split_M1_K40_N72_P8_F1(", "attention_split_"])
        expect(new TextDecoder().decode(split.files.get("infer.wide.kernels.ts"))).toContain(
          `function ${kernel}`,
        );
      const tokens = Array.from(batches(1)[0]!.tokens.subarray(0, 24));
      const logits: Float32Array[] = [];
      for (const workers of [1, 2, 3]) {
        const model = await createModel(split, "infer", { host: nodeHost, workers, target: "wide", seed: 4 });
        for (const [i, token] of tokens.entries()) await model.feed([token], i);
        logits.push((await model.feed([tokens[23]!], 23)).slice());
        expect(await model.feed(tokens, 0), "in one chunk").toEqual(logits[0]);
        await model.close();
      }
      expect(logits[1]).toEqual(logits[0]);
      expect(logits[2]).toEqual(logits[0]);
    },
  );

  it("gives the same logits in one chunk, in several, and token by token", async () => {
    const model = await open(1);
    const tokens = Array.from(batches(1)[0]!.tokens.subarray(0, 24));
    const whole = (await model.feed(tokens, 0)).slice();
    await model.feed(tokens.slice(0, 10), 0);
    const parts = (await model.feed(tokens.slice(10), 10)).slice();
    let single = new Float32Array();
    for (const [i, token] of tokens.entries()) single = (await model.feed([token], i)).slice();
    for (let i = 0; i < 61; i++) {
      expect(Math.abs(parts[i]! - whole[i]!)).toBeLessThan(1e-5);
      expect(Math.abs(single[i]! - whole[i]!)).toBeLessThan(1e-5);
    }
    // and they are those of an evaluation: the loss of the last position is that of its logits
    const target = 7;
    const filled = new Int32Array(72);
    const targets = new Int32Array(72).fill(-1);
    filled.set(tokens);
    targets[23] = target;
    const { sum } = await model.evaluate({ tokens: filled, targets });
    const max = Math.max(...whole);
    expect(sum).toBeCloseTo(
      max + Math.log(whole.reduce((s, v) => s + Math.exp(v - max), 0)) - whole[target]!,
      4,
    );
    await expect(model.feed(Array(25).fill(0), 0)).rejects.toThrow(/context of 24/);
  });

  it("leaves its parameters alone when a gradient is not a number, and says where", async () => {
    const model = await open(1);
    const [batch] = batches(1);
    model.of("parameter")[1]!.padded()[0] = NaN;
    const before = bitsOf(model);
    const result = await model.trainStep([batch!], { lr: 1e-2, step: 1 });
    expect(bitsOf(model)).toBe(before);
    expect(() => guardAgainstNaN(model, 1, result)).toThrow(
      /step 1: the loss is NaN.*position_embedding\.weight\[0,0\] = NaN/,
    );
  });

  it("draws each tensor's values from its own stream", async () => {
    const model = await open(1, 4);
    const other = await open(1, 5);
    expect(bitsOf(model)).not.toBe(bitsOf(other));
    const qkv = model.tensors.get("layers.attention.qkv.weight")!;
    expect(qkv.dense(0).slice(0, 8)).not.toEqual(qkv.dense(1).slice(0, 8));
    const all = [0, 1, 2].flatMap((slice) => [...qkv.dense(slice)]);
    const std = Math.sqrt(all.reduce((s, v) => s + v * v, 0) / all.length);
    const { init } = qkv.place;
    expect(init).toMatchObject({ kind: "normal" });
    expect(std / (init as { std: number }).std).toBeCloseTo(1, 1);
    expect(qkv.padded(0).filter((v, i) => i % qkv.place.rowFloats >= qkv.columns && v !== 0)).toHaveLength(0);
  });
});

describe("the self-check", () => {
  it("accepts wide code that is right, and finds what is wrong", async () => {
    const { manifest } = bundle;
    const module = manifest.modules.train!;
    const memory = createMemory(module, 1);
    const model = await open(1);
    for (const t of model.of("parameter"))
      new Float32Array(memory.buffer, t.place.offset, (t.place.stride * t.place.slices) / 4).set(
        new Float32Array(t.padded().buffer, t.place.offset, (t.place.stride * t.place.slices) / 4),
      );
    const bytes = await wasmBytes(bundle, module.wasm.wide!, { shared: false, host: nodeHost });
    nodeHost.enableWide();
    const wide = nodeHost.compile(bytes);
    const narrow = nodeHost.compile(Uint8Array.of(...bytes, 0, 1, 0), false);
    expect(selfCheck(manifest, { manifest: module, memory }, wide, narrow)).toBeUndefined();
    const damaged = changed(bytes);
    expect(
      damaged.some((b) => {
        try {
          return (
            selfCheck(manifest, { manifest: module, memory }, new WebAssembly.Module(b), narrow) !== undefined
          );
        } catch {
          return true;
        }
      }),
    ).toBe(true);
  });

  it("is made once for code that was right", async () => {
    const kept = keptInMemory();
    keepFindings(kept);
    try {
      const compiled = async (): Promise<number> => {
        let count = 0;
        const compile: typeof nodeHost.compile = (...given) => (count++, nodeHost.compile(...given));
        const host = { ...nodeHost, compile };
        const wide = Object.fromEntries(Object.entries(bundle.manifest.modules.train!.wasm).slice(1));
        const train = { ...bundle.manifest.modules.train!, wasm: wide };
        const alone = { ...bundle, manifest: { ...bundle.manifest, modules: { train } } };
        await (await createModel(alone, "train", { host, workers: 1, seed: 4 })).close();
        return count;
      };
      const first = await compiled();
      expect(first).toBe(4); // two of the probe, the module with and without joining
      expect(await compiled()).toBe(1);
    } finally {
      keepFindings(undefined);
    }
  });
});

/** Copies of a module, each with one f32 multiplication changed into an addition. */
function changed(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const out: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; i + 2 < wasm.length && out.length < 40; i++)
    if (wasm[i] === 0xfd && wasm[i + 1] === 0xe6 && wasm[i + 2] === 0x01) {
      // f32x4.mul
      const copy = wasm.slice();
      copy[i + 1] = 0xe4; // f32x4.add
      if (WebAssembly.validate(copy)) out.push(copy);
    }
  return out;
}

describe("a bundle that is not whole", () => {
  const with_ = (change: (files: Map<string, Uint8Array>) => void): Bundle => {
    const files = new Map<string, Uint8Array>(bundle.files);
    change(files);
    return { manifest: bundle.manifest, files };
  };
  const file = (): string => bundle.manifest.modules.train!.wasm.simd!.file;

  it("is refused", async () => {
    const options = { host: nodeHost, workers: 1, target: "simd" } as const;
    await expect(
      createModel(
        with_((f) => f.delete(file())),
        "train",
        options,
      ),
    ).rejects.toMatchObject({ kind: "corrupt", message: expect.stringContaining("lacks") });
    await expect(
      createModel(
        with_((f) =>
          f.set(
            file(),
            f.get(file())!.map((b, i) => (i === 500 ? b ^ 1 : b)),
          ),
        ),
        "train",
        options,
      ),
    ).rejects.toThrow(/not the file that was compiled/);
    await expect(createModel(bundle, "infer", options)).rejects.toThrow(/no "infer" module/);
    await expect(createModel(bundle, "train", { ...options, target: "relaxed" })).rejects.toThrow(
      /does not carry target relaxed/,
    );
  });
});
