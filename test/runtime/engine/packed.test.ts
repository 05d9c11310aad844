/**
 * Documents side by side in a sequence (X3, thread 9): losses and gradients are those that each document has
 * in a sequence of its own, whatever stands beside it.
 */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { valuesOf } from "../../support/running-models.ts";

const layers = {
  gpt2: "layer { x += attention(layernorm(x))  x += mlp(layernorm(x), hidden: 40) }",
  llama:
    "layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 40) }",
  banded: "layer { x += attention(rmsnorm(x), window: 5)  x += mlp(rmsnorm(x), hidden: 40) }",
} as const;
/** A model whose batches have so many sequences of so many tokens. */
const specOf = (kind: keyof typeof layers, batch: number, context: number): Model =>
  checkSource(`model packed { vocab 40  context 64  width 24  layers 2  heads 2
    embed token${kind === "gpt2" ? " + position" : ""}
    ${layers[kind]}
    output linear(layernorm(x))  tokenizer characters  train { batch ${batch}  context ${context} } }`)
    .models[0]!;

const open = async (model: Model, options: CompileOptions = {}): Promise<RunningModel> =>
  createModel(
    await compileModel(model, { targets: ["simd"], modules: ["train"], verify: true, ...options }),
    "train",
    {
      host: nodeHost,
      workers: 1,
      target: "simd",
      seed: 3,
    },
  );

/** Documents of these lengths fill two sequences of 64 rows: 64 and 61, and padding. */
const lengths = [
  [9, 30, 1, 24],
  [40, 2, 19],
];
const documents = lengths
  .flat()
  .map((length, d) => Array.from({ length }, (_, i) => (i * 11 + d * 7 + 5) % 40));
const T = 64;

interface Rows {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  readonly positions: Int32Array;
  readonly first: Int32Array;
}
const rowsOf = (count: number, padding: number): Rows => ({
  tokens: new Int32Array(count).fill(padding),
  targets: new Int32Array(count).fill(-1),
  positions: new Int32Array(count),
  first: new Int32Array(count),
});
/** Puts a document at a row; its last token has no target. `T`: rows of a sequence. */
function place(rows: Rows, tokens: readonly number[], at: number, context: number): void {
  tokens.forEach((token, i) => {
    rows.tokens[at + i] = token;
    rows.targets[at + i] = i + 1 < tokens.length ? tokens[i + 1]! : -1;
    rows.positions[at + i] = i;
    rows.first[at + i] = at % context;
  });
}

/** Two sequences with all documents; `padding`: the tokens behind the last one. */
function packedBatch(padding: number): Batch {
  const rows = rowsOf(2 * T, padding);
  let d = 0;
  for (const [b, of] of lengths.entries()) {
    let at = b * T;
    for (const length of of) {
      place(rows, documents[d++]!, at, T);
      at += length;
    }
    for (let r = at; r < (b + 1) * T; r++) rows.first[r] = at % T;
  }
  return rows;
}
/** A sequence for each document. */
function apart(): Batch {
  const rows = rowsOf(documents.length * T, 0);
  documents.forEach((tokens, d) => place(rows, tokens, d * T, T));
  const { tokens, targets } = rows;
  return { tokens, targets };
}

describe.each(["gpt2", "llama", "banded"] as const)("%s", (kind) => {
  test("packed = unpacked: losses of all rows, and gradients", async () => {
    const packed = await open(specOf(kind, 2, T), { packed: true });
    const single = await open(specOf(kind, documents.length, T));
    const one = await packed.trainStep([packedBatch(0)], { lr: 0, step: 1 });
    const other = await single.trainStep([apart()], { lr: 0, step: 1 });
    expect(Math.abs(one.loss - other.loss)).toBeLessThan(1e-6);
    let at = 0;
    lengths.flat().forEach((length, d) => {
      const start = d < 4 ? at : at - 64 + T;
      for (let i = 0; i < length; i++)
        expect(Math.abs(packed.tokenLosses()[start + i]! - single.tokenLosses()[d * T + i]!)).toBeLessThan(
          2e-6,
        );
      at += length;
    });
    const want = valuesOf(single, "gradient");
    let largest = 0;
    for (const [name, slices] of valuesOf(packed, "gradient"))
      slices.forEach((values, slice) =>
        values.forEach((v, i) => {
          const w = want.get(name)![slice]![i]!;
          largest = Math.max(largest, Math.abs(w));
          expect(Math.abs(v - w), `${name}[${slice}][${i}]`).toBeLessThan(1e-6 + 1e-5 * Math.abs(w));
        }),
      );
    expect(largest).toBeGreaterThan(1e-3);
    await packed.close();
    await single.close();
  });

  test("what stands behind the last document, or beside one, changes no bit of it", async () => {
    const model = await open(specOf(kind, 2, T), { packed: true });
    const said: { losses: Float32Array; gradients: Map<string, Float32Array[]> }[] = [];
    for (const padding of [0, 17]) {
      await model.trainStep([packedBatch(padding)], { lr: 0, step: 1 });
      said.push({ losses: model.tokenLosses().slice(0, 2 * T), gradients: valuesOf(model, "gradient") });
    }
    expect(said[1]!.losses).toEqual(said[0]!.losses);
    expect(said[1]!.gradients).toEqual(said[0]!.gradients);
    // other documents beside the second one of the first sequence
    const changed = packedBatch(0);
    changed.tokens.forEach((token, r) => {
      if (r < 9 || (r >= 39 && r < 64)) changed.tokens[r] = (token + 13) % 40;
    });
    await model.evaluate(packedBatch(0));
    const before = model.tokenLosses().slice(9, 39);
    await model.evaluate(changed);
    expect(model.tokenLosses().slice(9, 39)).toEqual(before);
    await model.close();
  });

  test("a sequence that is one document needs no positions, and text is written as before", async () => {
    const packed = await open(specOf(kind, 2, T), { packed: true });
    const plain = await open(specOf(kind, 2, T));
    const { tokens } = packedBatch(3);
    const batch = { tokens, targets: tokens.map((t) => (t + 1) % 40) };
    for (const step of [1, 2]) {
      const results = [];
      for (const model of [packed, plain])
        results.push((await model.trainStep([batch], { lr: 1e-3, step })).loss);
      expect(Math.abs(results[0]! - results[1]!)).toBeLessThan(1e-6);
    }
    const [one, other] = [await packed.feed([3, 1, 4], 0), await plain.feed([3, 1, 4], 0)];
    one.forEach((v, i) => expect(Math.abs(v - other[i]!)).toBeLessThan(1e-5));
    await expect(plain.evaluate({ ...batch, first: new Int32Array(2 * T) })).rejects.toThrow(
      "documents side by side",
    );
    await packed.close();
    await plain.close();
  });
});

test("code is checked on documents that a batch may have: the machine's best target opens", async () => {
  const target = await bestTarget(nodeHost);
  const compiled = await compileModel(specOf("gpt2", 2, T), {
    targets: [target],
    modules: ["train"],
    packed: true,
  });
  const model = await createModel(compiled, "train", { host: nodeHost, workers: 1, seed: 3 });
  expect(model.target).toBe(target);
  await model.close();
});
