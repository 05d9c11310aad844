/**
 * node --no-liftoff --no-wasm-tier-up --experimental-wasm-revectorize test/joined-kernels.ts OP MOST_FLOPS
 *
 * The op's cases for `wide` against the reference, in a process whose V8 begins with the optimizing compiler: the baseline one joins no pairs,
 * and flags that change in a running process leave compilations that never end. Prints the worst |d| / (1e-5 + 1e-4·|ref|) of each case.
 */
import type { Op } from "../compiler/op.ts";
import { ops } from "../compiler/ops/index.ts";
import { difference, inputsFor, kernelBenches, referenceOutputs } from "./harness.ts";

const [name, most] = process.argv.slice(2), op = (ops as Readonly<Record<string, Op>>)[name!]!;
const cases = op.cases.filter((c) => op.flops(c.d, { ...op.attrs, ...c.attrs }) < Number(most)), benches = await kernelBenches(name!, op, cases, "wide");
console.log(JSON.stringify(cases.map((c, i) => {
  const inputs = inputsFor(op, c), before = Object.fromEntries(Object.entries(op.mutates ?? {}).map(([out, from]) => [out, inputs[from as string]!.slice()]));
  const found = benches[i]!.run(inputs), worst = Object.entries(referenceOutputs(op, c, inputs, false, before)).map(([tensor, exact]) => difference(found[tensor]!, exact).worst);
  return { d: c.d, worst: Math.max(...worst) };
})));
