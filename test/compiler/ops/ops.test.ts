/**
 * Every operation of the table × its cases: kernel = f64 reference, for any number of workers bit for bit,
 * with and without accumulation; gradients = finite differences of the reference; V8 joins the pairs of every
 * wide kernel. Canaries and padding are the harness's.
 */
import { describe, expect, test } from "vitest";
import { cotangentOf, primalOf, type Cotangent } from "../../../compiler/ops/kit/cotangent.ts";
import { type Attrs, type Case, type GradStep, type Op } from "../../../compiler/ops/kit/op.ts";
import { shapeOf, unify } from "../../../compiler/ops/kit/signature.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { ops } from "../../../compiler/ops/index.ts";
import { CANARY, kernelBenches, type Bench } from "../../../bench/measure/kernel-bench.ts";
import {
  difference,
  elements,
  inputsFor,
  liveOutputs,
  noise,
  referenceOutputs,
} from "../../../bench/measure/kernel-numbers.ts";
import { fewIndices } from "../../../bench/measure/kernel-check.ts";
import { joinTrace } from "../../support/join-trace.ts";

type Tensors = Record<string, Float64Array>;
const table: readonly (readonly [string, Op])[] = Object.entries(ops);

/** Larger cases are the bench's, which compares them too; the reference alone would take seconds. */
const MOST_FLOPS = 4e6;
const costOf = (op: Op, c: Case): number =>
  Math.max(op.flops(c.d, { ...op.attrs, ...c.attrs }), ...op.tensors.map((t) => elements(shapeOf(t, c.d))));
const small = (op: Op, most = MOST_FLOPS): readonly Case[] => op.cases.filter((c) => costOf(op, c) <= most);
/** Every op has cases for the tester; without any, its cheapest one. */
const tested = (op: Op): readonly Case[] =>
  small(op).length > 0 ? small(op) : op.cases.toSorted((a, b) => costOf(op, a) - costOf(op, b)).slice(0, 1);
const show = (c: Case): string =>
  JSON.stringify({ ...c.d, ...c.attrs, ...(c.with && { with: c.with.join() }) });

/** Outputs before the run, for ops that add to them, and state that is changed in place. */
function contentsBefore(op: Op, c: Case, inputs: Tensors, accumulate: boolean): Tensors {
  const next = noise(4711);
  const outs = op.tensors.filter((t) => t.output && (!t.optional || c.with?.includes(t.name)));
  return Object.fromEntries(
    outs.flatMap((t): [string, Float64Array][] => {
      const mutated = op.mutates?.[t.name];
      if (mutated !== undefined) return [[t.name, inputs[mutated]!]];
      return accumulate && op.accumulates?.includes(t.name)
        ? [[t.name, Float64Array.from({ length: elements(shapeOf(t, c.d)) }, next)]]
        : [];
    }),
  );
}

function checkCase(op: Op, c: Case, bench: Bench, accumulate: boolean): void {
  const inputs = inputsFor(op, c);
  const before = contentsBefore(op, c, inputs, accumulate);
  const fed = { ...inputs, ...before };
  const live = (outputs: Tensors): Tensors => liveOutputs(op, c, inputs, outputs);
  const reference = live(referenceOutputs(op, c, inputs, accumulate, before));
  const single = live(bench.run(fed, { accumulate }));
  for (const [name, expected] of Object.entries(reference)) {
    const { worst, nmse } = difference(single[name]!, expected);
    expect(worst, `${show(c)} ${name}: |d| / (1e-5 + 1e-4·|ref|)`).toBeLessThanOrEqual(1);
    expect(nmse, `${show(c)} ${name}: NMSE`).toBeLessThanOrEqual(1e-7);
  }
  for (const how of [{ workers: 2 }, { workers: 3 }, { workers: 5 }, { workers: 3, held: true }])
    expect(
      sameBits(live(bench.run(fed, { accumulate, ...how })), single),
      `${show(c)}: ${JSON.stringify(how)}`,
    ).toBe(true);
}

const sameBits = (a: Tensors, b: Tensors): boolean =>
  Object.keys(a).every((name) => bytesOf(a[name]!).equals(bytesOf(b[name]!)));
const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

async function checkKernels(name: string, op: Op, cases: readonly Case[], target: Target): Promise<void> {
  const benches = await kernelBenches(name, op, cases, target);
  for (const [i, bench] of benches.entries())
    for (const accumulate of op.accumulates ? [false, true] : [false])
      checkCase(op, cases[i]!, bench, accumulate);
}

describe("kernel = reference", () => {
  for (const target of targets)
    test.each(table)(`${target} %s`, (name, op) =>
      checkKernels(name, op, target === "wide" ? tested(op) : tested(op).slice(0, 2), target),
    );
});

describe("rows that are not live are left out, and change no bit of the others", () => {
  test.each(table.filter(([, op]) => op.rowTasks))("%s", async (name, op) => {
    const cases = tested(op)
      .filter((c) => c.d[op.rows!]! > 1)
      .slice(0, 2);
    expect(cases.length).toBeGreaterThan(0);
    const whole = cases.map((c) => ({ ...c, with: (c.with ?? []).filter((t) => !isStatistic(op, t)) }));
    const some = whole.map((c) => ({ ...c, with: [...c.with, "live"] }));
    const benches = await kernelBenches(name, op, [...whole, ...some], "wide");
    for (const [i, c] of some.entries()) {
      const inputs = inputsFor(op, c);
      const live = (outputs: Tensors): Tensors => liveOutputs(op, c, inputs, outputs);
      const all = live(benches[i]!.run(inputs));
      for (const workers of [1, 3]) {
        const found = benches[cases.length + i]!.run(inputs, { workers });
        expect(sameBits(live(found), all), show(c)).toBe(true);
        for (const [out, values] of Object.entries(found))
          expect(
            [...values.subarray(all[out]!.length)].every((v) => Number.isNaN(v) || v === CANARY),
            `${show(c)}: the other rows of ${out} are untouched`,
          ).toBe(true);
      }
    }
  });
});

/** A number for each row, or lines of 16 columns (kit/lines.ts), which only a backward reads. */
const isStatistic = (op: Op, name: string): boolean =>
  op.tensors.some((t) => t.name === name && t.output && (t.letters[0] !== op.rows || t.letters.length === 1));

describe("in place = apart", () => {
  for (const [name, op] of table.filter(([, o]) => o.inPlace))
    test(name, async () => {
      for (const [out, places] of Object.entries(op.inPlace!))
        for (const from of [places!].flat()) {
          const cases = tested(op)
            .filter((c) => present(op, c, from) && present(op, c, out))
            .slice(0, 2);
          if (cases.length === 0) continue;
          const benches = await kernelBenches(name, { ...op, mutates: { [out]: from } }, cases, "wide");
          for (const [i, bench] of benches.entries()) {
            const c = cases[i]!;
            const inputs = inputsFor(op, c);
            const reference = liveOutputs(op, c, inputs, referenceOutputs(op, c, inputs));
            const got = bench.run(inputs, { workers: 2 });
            for (const [tensor, expected] of Object.entries(reference))
              expect(
                difference(got[tensor]!.subarray(0, expected.length), expected).worst,
                `${tensor}; ${out} in ${from}`,
              ).toBeLessThanOrEqual(1);
          }
        }
    });
});

const present = (op: Op, c: Case, tensor: string): boolean =>
  !op.tensors.find((t) => t.name === tensor)!.optional || (c.with?.includes(tensor) ?? false);

/** Not worth joining: scalars, copies of one row. Matrix products and attention have tests of their own. */
const unjoined = new RegExp(
  `^(${[
    "default_weight",
    "loss_sum.*",
    "objective",
    "take_row",
    "lane_rows",
    "grad_norm_total",
    "copy",
    "rope_table",
    "windows",
    "qk_norm.*",
    "balance.*",
    "route.*",
    "dispatch",
    "grouped_matmul.*",
    "grouped_integer",
    "matmul.*",
    "attention.*",
    "quantise_rows",
    "embed_quantised",
    "sample_rows",
    "advance_texts",
  ].join("|")})$`,
);

describe("V8 joins the pairs of a wide kernel", () => {
  test.each(table.filter(([name]) => !unjoined.test(name)))("%s", async (name, op) => {
    // a last line with padding, and a real size
    const trace = await joinTrace(name, op, [tested(op)[0]!, op.cases.at(-1)!]);
    expect(trace).not.toMatch(/Build tree failed/);
    expect(trace.match(/Decide to vectorize, [1-9]\d* revectorizable nodes/g)?.length).toBeGreaterThanOrEqual(
      2,
    );
  });
});

/** The check of a large product computes a few rows of its reference alone. */
describe("independent: a few indices come out alone as they do among all", () => {
  for (const [name, op] of table.filter(([, o]) => o.independent))
    test(name, () => {
      for (const c of small(op, 20_000_000).filter((c) => c.d[op.independent!]! > 2)) {
        const inputs = inputsFor(op, c);
        const few = fewIndices(op, c, op.independent!);
        const reference = referenceOutputs(op, few.c, few.of(inputs));
        expect(few.c.d[op.independent!]).toBeLessThanOrEqual(c.d[op.independent!]!);
        expect(few.of(referenceOutputs(op, c, inputs)), show(c)).toEqual(reference);
      }
    });
});

describe("gradient = finite differences", () => {
  for (const [name, op] of table.filter(([, o]) => o.backward)) {
    const cases = small(op, 20_000).slice(0, 6);
    test.skipIf(cases.length === 0)(name, () => cases.forEach((c) => checkGradient(op, c)));
  }
});

/** L = Σ outputs · cotangents. */
function checkGradient(op: Op, c: Case): void {
  const all: Case = {
    ...c,
    with: [...(c.with ?? []), ...op.tensors.filter((t) => t.output && t.optional).map((t) => t.name)],
  };
  const attrs: Attrs = { ...op.attrs, ...c.attrs };
  const present = (t: string): boolean =>
    !op.tensors.find((s) => s.name === t)!.optional || all.with!.includes(t);
  const steps = op.backward!(present, attrs);
  const reads = new Set(steps.flatMap((s) => ("op" in s ? Object.values(s.ins) : [s.equals])));
  if (steps.length === 0) return; // a form that is not trained
  const inputs = inputsFor(op, all);
  const outputs = referenceOutputs(op, all, inputs);
  const next = noise(31337);
  const cotangents: Tensors = Object.fromEntries(
    Object.entries(outputs).flatMap(([name, v]): [string, Float64Array][] =>
      reads.has(cotangentOf(name)) ? [[name, v.map(next)]] : [],
    ),
  );
  const loss = (changed: Tensors): number =>
    Object.entries(referenceOutputs(op, all, changed)).reduce(
      (sum, [name, v]) => sum + v.reduce((s, x, i) => s + x * (cotangents[name]?.[i] ?? 0), 0),
      0,
    );

  const known: Tensors = {
    ...inputs,
    ...outputs,
    ...Object.fromEntries(Object.entries(cotangents).map(([name, v]) => [cotangentOf(name), v])),
  };
  const gradients = runSteps(op, all, steps, known);
  for (const t of op.tensors.filter(
    (s) => !s.output && s.dtype === "f32" && inputs[s.name] && !op.constants?.includes(s.name),
  )) {
    const gradient = gradients[t.name];
    expect(gradient, `${show(c)}: a gradient of ${t.name}`).toBeDefined();
    for (const i of probes(gradient!.length)) {
      const at = (step: number): number =>
        loss({ ...inputs, [t.name]: inputs[t.name]!.map((v, k) => (k === i ? v + step : v)) });
      const slope = (at(EPS) - at(-EPS)) / (2 * EPS);
      expect(
        Math.abs(gradient![i]! - slope),
        `${show(c)}: d_${t.name}[${i}] = ${gradient![i]}, differences say ${slope}`,
      ).toBeLessThanOrEqual(1e-5 + 1e-3 * Math.abs(slope));
    }
  }
}

const EPS = 1e-6;
/** Up to 24 elements, spread over the tensor. */
const probes = (length: number): number[] =>
  Array.from({ length: Math.min(24, length) }, (_, k) =>
    length <= 24 ? k : Math.floor(((k + 0.37) * length) / 24),
  );

/** What the gradient's steps make of the known tensors; tensors that the case has not are left out. */
function runSteps(op: Op, c: Case, steps: readonly GradStep[], known: Tensors): Tensors {
  const stemOf = (name: string): string => primalOf(name) ?? name;
  const shape = (name: string): readonly number[] =>
    shapeOf(
      op.tensors.find((t) => t.name === stemOf(name))!,
      c.d,
    );
  const gradients: Tensors = {};
  const addTo = (name: Cotangent, more: Float64Array): void => {
    gradients[stemOf(name)] = gradients[stemOf(name)]?.map((v, i) => v + more[i]!) ?? more;
  };
  for (const step of steps) {
    if (!("op" in step)) {
      addTo(step.cotangent, known[step.equals]!);
      continue;
    }
    const by: Op | undefined = (ops as Readonly<Record<string, Op>>)[step.op];
    expect(by, step.op).toBeDefined();
    const ins = Object.entries(step.ins).filter(([, name]) => known[name]);
    const outs = Object.entries(step.outs).filter(([, name]) => known[stemOf(name)]);
    if (outs.length === 0) continue;
    const d = unify(by!, Object.fromEntries([...ins, ...outs].map(([arg, name]) => [arg, shape(name)])));
    const results: Tensors = Object.fromEntries(
      outs.map(([arg, name]) => [arg, new Float64Array(elements(shape(name)))]),
    );
    const given = Object.fromEntries(ins.map(([arg, name]) => [arg, known[name]!]));
    by!.reference({ ...given, ...results }, d, { ...by!.attrs, ...step.attrs }, false);
    for (const [arg, name] of outs) addTo(name, results[arg]!);
  }
  return gradients;
}
