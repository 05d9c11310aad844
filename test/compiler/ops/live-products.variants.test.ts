/**
 * A row of a product has the same bits whatever stands beside it: alone, among a few rows or many, live or
 * not, by dot products, streams or register tiles, for any number of workers.
 */
import { describe, expect, test } from "vitest";
import { kernelBenches } from "../../../bench/measure/kernel-bench.ts";
import { difference, inputsFor } from "../../../bench/measure/kernel-numbers.ts";
import { opOf, type OpName } from "../../../compiler/ops/index.ts";
import type { Case } from "../../../compiler/ops/kit/op.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";

type Tensors = Record<string, Float64Array>;
type Sizes = { readonly M: number; readonly K: number; readonly N: number };

/** A product of M rows, as one op or as the two of which the second gets the first one's sums. */
interface Form {
  readonly ops: readonly OpName[];
  readonly d: (sizes: Sizes) => Record<string, number>;
}
const MOST_FEW = 16;
const PARTS = 8;
const forms: Readonly<Record<string, Form>> = {
  matmul: { ops: ["matmul"], d: (d) => d },
  matmul_nt: { ops: ["matmul_nt"], d: (d) => d },
  "matmul_split + matmul_sum": {
    ops: ["matmul_split", "matmul_sum"],
    d: (d) => ({ ...d, P: PARTS, F: Math.min(d.M, MOST_FEW) }),
  },
};

const caseOf = (op: OpName, form: Form, sizes: Sizes, activation: string): Case => {
  const isTiled = op === "matmul_sum" && sizes.M > MOST_FEW;
  const own = opOf(op).attrs["activation"] === undefined ? {} : { attrs: { activation } };
  return {
    d: form.d(sizes),
    ...own,
    with: [
      ...(op === "matmul_split" ? [] : ["bias", "add"]),
      ...(sizes.M > 1 ? ["live"] : []),
      ...(isTiled ? ["a", "b"] : []),
    ],
  };
};

/** A function that computes the first `live` of M rows. */
async function product(form: Form, sizes: Sizes, target: Target, activation = "none") {
  const stages = await Promise.all(
    form.ops.map(async (op) => ({
      op,
      bench: (await kernelBenches(op, opOf(op), [caseOf(op, form, sizes, activation)], target))[0]!,
    })),
  );
  return (inputs: Tensors, live: number, workers: number): Float64Array => {
    let known: Tensors = { ...inputs, live: Float64Array.of(live) };
    for (const { op, bench } of stages) {
      const names = opOf(op).tensors.filter((t) => !t.output && known[t.name]);
      const own = Object.fromEntries(names.map((t) => [t.name, finite(known[t.name]!)]));
      known = { ...known, ...bench.run(own, { workers }) };
    }
    return known["out"]!;
  };
}

/** What a kernel has left as it was may not be a number. */
const finite = (values: Float64Array): Float64Array => values.map((v) => (Number.isFinite(v) ? v : 0));

const rowOf = (values: Float64Array, row: number, length: number): Float64Array =>
  values.slice(row * length, (row + 1) * length);
const bits = (values: Float64Array): string => Buffer.from(Float32Array.from(values).buffer).toString("hex");

const M = 45;
const sizes: readonly (Omit<Sizes, "M"> & { readonly activation?: string })[] = [
  { K: 83, N: 97 },
  { K: 5, N: 33, activation: "gelu_tanh" },
  { K: 272, N: 144, activation: "silu" },
  { K: 272, N: 257 }, // large enough to be touched
  { K: 1664, N: 48 }, // the same, and three rows of a are more than L1 is to hold
  { K: 4232, N: 17 }, // several blocks of K
];

describe.each(targets)("%s", (target) => {
  for (const [name, form] of Object.entries(forms))
    test.each(sizes)(
      `${name} K=$K N=$N`,
      async ({ K, N, activation }) => {
        const whole = { d: { M, K, N }, with: ["bias", "add"] };
        const inputs = inputsFor(opOf(name === "matmul_nt" ? "matmul_nt" : "matmul"), whole);
        const alone = await product(form, { M: 1, K, N }, target, activation);
        const few = await product(form, { M: 13, K, N }, target, activation);
        const many = await product(form, { M, K, N }, target, activation);
        const first = (rows: number): Tensors => ({
          ...inputs,
          a: inputs["a"]!.subarray(0, rows * K),
          add: inputs["add"]!.subarray(0, rows * N),
        });
        const expected = Array.from({ length: M }, (_, m) => {
          const own = { ...inputs, a: rowOf(inputs["a"]!, m, K), add: rowOf(inputs["add"]!, m, N) };
          return bits(alone(own, 1, 1 + (m % 3)));
        });
        const check = (out: Float64Array, live: number, what: string): void => {
          for (let m = 0; m < live; m++)
            expect(bits(rowOf(out, m, N)), `${what}, row ${m}`).toBe(expected[m]);
        };
        for (const live of [1, 2, 3, 4, 5, 8, 13])
          for (const workers of [1, 2, 3]) check(few(first(13), live, workers), live, `${live} of 13`);
        for (const live of [1, 2, 7, 16, 17, 24, 44, M])
          for (const workers of [1, 2, 3]) check(many(inputs, live, workers), live, `${live} of ${M}`);
      },
      120_000,
    );
});

test("the bits are those of a product", async () => {
  const d = { M, K: 272, N: 144 };
  const inputs = inputsFor(opOf("matmul"), { d, with: ["bias", "add"] });
  const out = new Float64Array(d.M * d.N);
  opOf("matmul").reference({ ...inputs, out }, d, opOf("matmul").attrs, false);
  for (const name of ["matmul", "matmul_split + matmul_sum"] as const)
    expect(difference((await product(forms[name]!, d, "wide"))(inputs, M, 2), out).worst).toBeLessThan(1);
});
