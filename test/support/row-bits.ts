/**
 * node --no-liftoff --no-wasm-tier-up --experimental-wasm-revectorize test/support/row-bits.ts TARGET FORMAT
 *
 * Products of integers: rows alone and the same rows among others, in a process whose V8 begins with the
 * optimizing compiler. Prints a JSON list of the places where bits differ; it ought to be empty.
 */
import type { Case } from "../../compiler/ops/kit/op.ts";
import { matmul_integer } from "../../compiler/ops/matmul/matmul_integer.ts";
import { activationWords } from "../../compiler/ops/matmul/quantised/activation-rows.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { weightWords, type IntegerFormat } from "../../runtime/contract/weight-rows.ts";
import { kernelBenches, type Bench } from "../../bench/measure/kernel-bench.ts";
import { inputsFor, type Tensors } from "../../bench/measure/kernel-numbers.ts";
import "./kept-kernels.ts";

/** One superblock and several, whole blocks and a half block alone; fewer rows than a tile has, and many. */
const sizes = [
  { K: 64, M: 5 },
  { K: 256, M: 2 },
  { K: 768, M: 23 },
  { K: 1100, M: 9 },
  { K: 1152, M: 17 },
  { K: 2400, M: 18 },
] as const;
/** Rows of weights: whole tasks and a part of one. */
const N = 37;

const row = (of: Float64Array, m: number, length: number): Float64Array =>
  of.subarray(m * length, (m + 1) * length);

/** Where the rows of `many` differ from the same rows alone. */
function differences(alone: Bench, among: Bench, many: Case<"M" | "A">): string[] {
  const { M, A } = many.d;
  const live = M - 1;
  const inputs: Tensors = { ...inputsFor(matmul_integer, many), live: Float64Array.of(live) };
  const singles = Array.from(
    { length: live },
    (_, m) => alone.run({ a: row(inputs["a"]!, m, A), b: inputs["b"]! })["out"]!,
  );
  return [1, 2, 3].flatMap((workers) => {
    const { out } = among.run(inputs, { workers });
    return singles.flatMap((single, m) => {
      const there = row(out!, m, N);
      const n = single.findIndex((v, i) => v !== there[i]);
      return n < 0 ? [] : [`row ${m} of ${M}, A ${A}, column ${n}: ${single[n]} alone, ${there[n]} there`];
    });
  });
}

const [target, format] = process.argv.slice(2) as [Target, IntegerFormat];
const attrs = { format };
const words = (K: number) => ({ A: activationWords(format, K), N, W: weightWords(format, K) });
const one = sizes.map(({ K }) => ({ d: { M: 1, ...words(K) }, attrs }));
const many = sizes.map(({ K, M }) => ({ d: { M, ...words(K) }, attrs, with: ["live"] }));
const benches = await kernelBenches("matmul_integer", matmul_integer, [...one, ...many], target);
const found = many.flatMap((c, i) => differences(benches[i]!, benches[one.length + i]!, c));
console.log(JSON.stringify(found));
