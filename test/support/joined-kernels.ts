/**
 * node --no-liftoff --no-wasm-tier-up --experimental-wasm-revectorize \
 *   test/support/joined-kernels.ts MOST_FLOPS OP…
 *
 * Cases for `wide` against the reference, in a process whose V8 begins with the optimizing compiler: the
 * baseline one joins no pairs, and flags that change in a running process leave compilations that never end.
 * Prints for each op the worst |d| / (1e-5 + 1e-4·|ref|) of each case.
 */
import type { Op } from "../../compiler/ops/kit/op.ts";
import { ops } from "../../compiler/ops/index.ts";
import { kernelBenches } from "../../bench/measure/kernel-bench.ts";
import { difference, inputsFor, liveOutputs, referenceOutputs } from "../../bench/measure/kernel-numbers.ts";
import "./kept-kernels.ts";

async function checked(
  name: string,
  most: number,
): Promise<readonly { readonly d: object; readonly worst: number }[]> {
  const op = (ops as Readonly<Record<string, Op>>)[name]!;
  const cases = op.cases.filter((c) => op.flops(c.d, { ...op.attrs, ...c.attrs }) < most);
  const benches = await kernelBenches(name, op, cases, "wide");
  return cases.map((c, i) => {
    const inputs = inputsFor(op, c);
    const before = Object.fromEntries(
      Object.entries(op.mutates ?? {}).map(([out, from]) => [out, inputs[from as string]!.slice()]),
    );
    const found = benches[i]!.run(inputs);
    const reference = liveOutputs(op, c, inputs, referenceOutputs(op, c, inputs, false, before));
    const worst = Object.entries(reference).map(
      ([tensor, exact]) => difference(found[tensor]!.subarray(0, exact.length), exact).worst,
    );
    return { d: c.d, worst: Math.max(...worst) };
  });
}

const [most, ...names] = process.argv.slice(2);
const found: Record<string, unknown> = {};
for (const name of names) found[name] = await checked(name, Number(most));
console.log(JSON.stringify(found));
