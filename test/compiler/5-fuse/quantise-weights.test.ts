/** Matrices in fewer bits: which nodes read them, how their rows lie, and what is left in f32. */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { planModule } from "../../../compiler/compile.ts";
import type { Graph } from "../../../compiler/3-graph/ir.ts";
import { freeze } from "../../../compiler/3-graph/freeze.ts";
import { verifyGraph } from "../../../compiler/3-graph/verify.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { fuse } from "../../../compiler/5-fuse/fuse.ts";
import { quantiseWeights } from "../../../compiler/5-fuse/quantise-weights.ts";
import { dropUnread } from "../../../compiler/5-fuse/unread.ts";
import type { Numerics } from "../../../runtime/contract/manifest.ts";
import { weightWords } from "../../../runtime/contract/weight-rows.ts";
import { rowWriter, wordsOf } from "../../../runtime/engine/quantise.ts";
import { interpret } from "../../support/interpret.ts";
import { givenFor, graphOf, opsOf, smallNames, type SmallModel } from "../../support/small-graphs.ts";

const fused = (name: SmallModel, entry: "evaluate" | "decode"): Graph =>
  fuse(dropUnread(graphOf(name, entry)));

describe.each(["bf16", "q8_0", "q4_0"] as const)("%s", (format) => {
  test.each(smallNames)("%s: rows have the words that the format says", (name) => {
    for (const entry of ["evaluate", "decode"] as const) {
      const graph = quantiseWeights(fused(name, entry), format);
      verifyGraph(graph, "quantise");
      for (const { shape, quantised, dtype } of graph.values.values()) {
        if (!quantised) continue;
        const [rows, columns] = quantised.transposed ? [-1, -2] : [-2, -1];
        expect(dtype).toBe("i32");
        expect(shape.at(-2)).toBe(quantised.shape.at(rows));
        expect(shape.at(-1)).toBe(weightWords(format, quantised.shape.at(columns)!));
      }
    }
  });
});

test("rows become integers, which are made once; many rows stay f32 where numerics are float", () => {
  const many = (numerics: Numerics): readonly string[] =>
    opsOf(quantiseWeights(fused("llama", "evaluate"), "q8_0", { numerics }));
  expect(many("float")).toContain("matmul_quantised");
  expect(many("float")).not.toContain("matmul_integer");
  expect(many("consistent")).toContain("matmul_integer");
  expect(many("consistent")).not.toContain("matmul_quantised");
  const decode = quantiseWeights(fused("llama", "decode"), "q8_0");
  const few = opsOf(decode);
  expect(few).not.toContain("matmul");
  const count = (op: string): number => few.filter((o) => o === op).length;
  // qkv, its output, gate with up, down; and the head: gate and up read the same integers
  expect([count("matmul_integer"), count("quantise_rows")]).toEqual([6, 5]);
});

test("what a layer reads as a whole and the output in blocks of rows are integers of their own", () => {
  const source = `model m { vocab 64  context 32  width 32  layers 2  heads 2  embed token + position
    layer { x = layernorm(x + attention(x)) }
    output linear(x, tied: true)  train { batch 2  context 32 } }`;
  const options = { weights: "q8_0", logitBytes: 16 * 64 * 4, verify: true } as const;
  const { placement } = planModule(checkSource(source).models[0]!, "infer", options);
  const integers = [...placement.activations.get("evaluate")!.keys()].filter((name) => /^x.*q8_0/.test(name));
  expect(integers).toEqual(["x.q8_0", "x.q8_0.16"]);
});

test("routers, vectors and position tables stay in f32", () => {
  const { values } = quantiseWeights(fused("mixture", "decode"), "q4_0");
  const inFewerBits = (name: string): boolean => values.get(name)!.quantised !== undefined;
  expect(inFewerBits("layers.experts.up.weight")).toBe(true);
  expect(inFewerBits("layers.experts.router.weight")).toBe(false);
  const gpt = quantiseWeights(fused("gpt", "decode"), "q4_0").values;
  expect(gpt.get("position_embedding.weight")!.quantised).toBeUndefined();
  expect(gpt.get("layers.attention.qkv.bias")!.quantised).toBeUndefined();
  expect(gpt.get("token_embedding.weight")!.quantised).toBeDefined();
});

test("in training: what is not trained, and products back sum over its rows; experts stay in f32", () => {
  const trained = "layers.attention.qkv.weight";
  const graph = differentiate(freeze(graphOf("llama", "train"), (name) => name === trained));
  const after = quantiseWeights(fuse(dropUnread(graph)), "q8_0", { training: true });
  verifyGraph(after, "quantise");
  expect(opsOf(after)).toContain("matmul_quantised_dx");
  expect(opsOf(after)).not.toContain("matmul_integer");
  for (const { name, storage, shape, quantised } of after.values.values())
    if (storage === "parameter" && shape.length > 1)
      expect(quantised !== undefined, name).toBe(name !== trained);
  const frozen = freeze(graphOf("mixture", "evaluate"), () => false);
  const mixture = quantiseWeights(fuse(dropUnread(frozen)), "q8_0", { training: true }).values;
  expect(mixture.get("layers.experts.up.weight")!.quantised).toBeUndefined();
  expect(mixture.get("layers.attention.out.weight")!.quantised).toBeDefined();
});

test("a mix names the format of each tensor", () => {
  const weights = { others: "q4_0", table: "q8_0", tensors: { "layers.mlp.up.weight": "f32" } } as const;
  const { values } = quantiseWeights(fused("gpt", "decode"), weights);
  expect(values.get("token_embedding.weight")!.quantised?.format).toBe("q8_0");
  expect(values.get("layers.mlp.down.weight")!.quantised?.format).toBe("q4_0");
  expect(values.get("layers.mlp.up.weight")!.quantised).toBeUndefined();
});

test("numbers that bf16 holds give the same logits", () => {
  const before = fused("llama", "decode");
  const after = quantiseWeights(before, "bf16");
  const given = givenFor(before);
  for (const { name, storage, shape } of before.values.values())
    if (storage === "parameter" && shape.length > 1)
      for (const slice of given.get(name)!) slice.forEach((v, i) => (slice[i] = Math.round(v * 64) / 64));
  const words = new Map(given);
  for (const { name, shape, quantised } of after.values.values()) {
    if (!quantised) continue;
    words.set(
      name,
      given.get(name)!.map((slice) => rowsOfWords(slice, shape as [number, number], quantised)),
    );
  }
  const [was, is] = [interpret(before, given), interpret(after, words)];
  is.get("logits")![0]!.forEach((v, i) => expect(v).toBeCloseTo(was.get("logits")![0]![i]!, 9));
});

/** A matrix in bf16, row by row, as the runtime writes it into a module's memory. */
function rowsOfWords(
  matrix: Float64Array,
  [rows, words]: readonly [number, number],
  quantised: { readonly shape: readonly number[]; readonly transposed: boolean },
): Float64Array {
  const [, columns] = quantised.shape as [number, number];
  const K = quantised.transposed ? quantised.shape[0]! : columns;
  const memory = new Int32Array(rows * words);
  const write = rowWriter("bf16", K);
  for (let row = 0; row < rows; row++) {
    const values = Float32Array.from({ length: K }, (_, k) =>
      quantised.transposed ? matrix[k * columns + row]! : matrix[row * columns + k]!,
    );
    write(values, wordsOf(memory), row * words);
  }
  return Float64Array.from(memory);
}
