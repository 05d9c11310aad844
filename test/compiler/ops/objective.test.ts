/**
 * Objectives, equation by equation: the table says what the papers say; slopes are the slopes of the loss; at
 * step zero, where the model is its own reference, losses are the constants that everybody knows; what stands
 * at rows that are not counted changes no bit.
 */
import { describe, expect, test } from "vitest";
import { kernelBenches } from "../../../bench/measure/kernel-bench.ts";
import { elements, inputsFor, noise, referenceOutputs } from "../../../bench/measure/kernel-numbers.ts";
import {
  klEstimators,
  objectiveOf,
  objectives,
  type KlEstimator,
  type ObjectiveName,
} from "../../../compiler/2-check/objectives.ts";
import { passesOf } from "../../../compiler/ops/objective/objective-plan.ts";
import { objective, planOf } from "../../../compiler/ops/objective/objective.ts";
import type { Case, Op } from "../../../compiler/ops/kit/op.ts";
import { shapeOf } from "../../../compiler/ops/kit/signature.ts";
import { MOST_SETTINGS } from "../../../runtime/contract/objective.ts";

const op: Op = objective;
const names = Object.keys(objectives) as ObjectiveName[];
/** The op's cases in the order of the table, and two with further terms. */
const shown = op.cases.map((c, i) => [names[i] ?? `case ${i}`, c] as const);
const caseOf = (name: ObjectiveName): Case => op.cases[names.indexOf(name)]!;

type Tensors = Record<string, Float64Array>;
const run = (c: Case, inputs: Tensors): Tensors => referenceOutputs(op, c, inputs);

/** What the cases know of settings, by name. */
const settingsOf = (c: Case): readonly string[] => String(c.attrs!["settings"]).split(" ").filter(Boolean);
function withSettings(c: Case, inputs: Tensors, values: Readonly<Record<string, number>>): Tensors {
  const settings = new Float64Array(2 * MOST_SETTINGS);
  for (const [i, name] of settingsOf(c).entries()) {
    settings[i] = Math.fround(values[name]!);
    settings[i + MOST_SETTINGS] = values[name]! - Math.fround(values[name]!);
  }
  return { ...inputs, settings };
}
const defaults = (name: ObjectiveName): Readonly<Record<string, number>> => objectiveOf(name).settings;

describe("slopes are those of the weighted losses", () => {
  const slopeOf = { logprobs: "d_logprobs", entropies: "d_entropies", values: "d_values" } as const;
  test.each(shown)("%s", (_name, c) => {
    const inputs = inputsFor(op, c);
    const outputs = run(c, inputs);
    const weightedAt = (changed: Tensors): number => run(c, changed)["sums"]![2]!;
    let largest = 0;
    const hasStop = /stop\(/.test(String(c.attrs!["equation"]));
    for (const [tensor, slope] of Object.entries(slopeOf)) {
      if (!outputs[slope] || hasStop) continue; // what is stopped has no slope: its loss has
      for (const at of probes(outputs[slope])) {
        const moved = (by: number): Tensors => ({
          ...inputs,
          [tensor]: inputs[tensor]!.map((v, i) => (i === at ? v + by : v)),
        });
        const wanted = (weightedAt(moved(1e-6)) - weightedAt(moved(-1e-6))) / 2e-6;
        largest = Math.max(largest, Math.abs(wanted));
        expect(Math.abs(outputs[slope][at]! - wanted), `${tensor}[${at}]`).toBeLessThan(
          1e-6 + 1e-5 * Math.abs(wanted),
        );
      }
    }
    if (!hasStop) expect(largest).toBeGreaterThan(1e-4);
  });
});

/** Rows from the first to the last, and some of those that have a slope. */
function probes(slopes: Float64Array): readonly number[] {
  const spread = Array.from({ length: 20 }, (_, i) => Math.floor((i * slopes.length) / 20));
  const steep = [...slopes.keys()].filter((r) => slopes[r] !== 0);
  return [...spread, ...steep.filter((_, i) => i % Math.ceil(steep.length / 10) === 0)];
}

test("what is stopped weighs and has no slope", () => {
  const c = caseOf("dft");
  const inputs = inputsFor(op, c);
  const { d_logprobs } = run(c, inputs);
  inputs["logprobs"]!.forEach((logp, r) => {
    const wanted = inputs["targets"]![r]! < 0 ? 0 : -Math.exp(logp) * inputs["weights"]![r]!;
    expect(d_logprobs![r]).toBeCloseTo(wanted, 12);
  });
});

// ---- the table, written down a second time

interface PairNumbers {
  /** Sums of ln p, of the reference's, and counted rows, of the chosen answer and the rejected one. */
  readonly logp: readonly [number, number];
  readonly ref: readonly [number, number];
  readonly count: readonly [number, number];
}
const ls = (z: number): number => -Math.log1p(Math.exp(-z));
const sigma = (z: number): number => 1 / (1 + Math.exp(-z));
const ratios = ({ logp, ref }: PairNumbers): readonly [number, number] => [
  logp[0] - ref[0],
  logp[1] - ref[1],
];
const delta = (p: PairNumbers): number => ratios(p)[0] - ratios(p)[1];
const averages = (p: PairNumbers): readonly [number, number] => [
  p.logp[0] / p.count[0],
  p.logp[1] / p.count[1],
];
const averagedDelta = (p: PairNumbers): number => ratios(p)[0] / p.count[0] - ratios(p)[1] / p.count[1];
const logOdds = (a: number): number => a - Math.log(1 - Math.exp(a));

type Settings = Readonly<Record<string, number>>;
/** Section 1.2 of the literature's losses, as its papers have them. */
const written: Readonly<Partial<Record<ObjectiveName, (p: PairNumbers, s: Settings) => number>>> = {
  dpo: (p, { beta, label_smoothing: e }) => -(1 - e!) * ls(beta! * delta(p)) - e! * ls(-beta! * delta(p)),
  robust: (p, { beta, label_smoothing: e }) =>
    (-(1 - e!) * ls(beta! * delta(p)) + e! * ls(-beta! * delta(p))) / (1 - 2 * e!),
  sigmoid_norm: (p, { beta }) => -ls(beta! * averagedDelta(p)),
  ipo: (p, { beta }) => (averagedDelta(p) - 1 / (2 * beta!)) ** 2,
  ipo_sum: (p, { beta }) => (delta(p) - 1 / (2 * beta!)) ** 2,
  hinge: (p, { beta }) => Math.max(0, 1 - beta! * delta(p)),
  bco_pair: (p, { beta }) => -ls(beta! * ratios(p)[0]) - ls(-beta! * ratios(p)[1]),
  nca_pair: (p, { beta }) =>
    -ls(beta! * ratios(p)[0]) - 0.5 * ls(-beta! * ratios(p)[0]) - 0.5 * ls(-beta! * ratios(p)[1]),
  sppo_hard: (p, { beta }) => (ratios(p)[0] - 0.5 / beta!) ** 2 + (ratios(p)[1] + 0.5 / beta!) ** 2,
  apo_zero: (p, { beta }) => 1 - sigma(beta! * ratios(p)[0]) + sigma(beta! * ratios(p)[1]),
  apo_down: (p, { beta }) => sigma(beta! * ratios(p)[0]) + 1 - sigma(beta! * delta(p)),
  simpo: (p, { beta, gamma }) => -ls(beta! * (averages(p)[0] - averages(p)[1]) - gamma!),
  cpo: (p, { beta }) => -ls(beta! * (p.logp[0] - p.logp[1])),
};

describe("the table says what the papers say", () => {
  test.each(Object.entries(written))("%s", (name, formula) => {
    const c = caseOf(name as ObjectiveName);
    const settings = Object.fromEntries(settingsOf(c).map((s, i) => [s, 0.2 + 0.1 * i]));
    const inputs = withSettings(c, inputsFor(op, c), settings);
    const { losses } = run(c, inputs);
    const length = c.d["R"]! / c.d["B"]!;
    const rowsOf = (sequence: number): number[] =>
      Array.from({ length }, (_, i) => sequence * length + i).filter((r) => inputs["targets"]![r]! >= 0);
    const sum = (tensor: string, sequence: number): number =>
      rowsOf(sequence).reduce((total, r) => total + (inputs[tensor]?.[r] ?? 0), 0);
    for (let u = 0; u < losses!.length; u++) {
      const both = (tensor: string): [number, number] => [sum(tensor, 2 * u), sum(tensor, 2 * u + 1)];
      const count: [number, number] = [rowsOf(2 * u).length, rowsOf(2 * u + 1).length];
      const pair = { logp: both("logprobs"), ref: both("reference"), count };
      const nll = -settings["nll"]! * averages(pair)[0];
      expect(losses![u]! / (formula!(pair, settings) + nll), `pair ${u}`).toBeCloseTo(1, 9);
    }
  });

  test("orpo, kto", () => {
    const c = caseOf("orpo");
    const inputs = withSettings(c, inputsFor(op, c), { lambda: 0.3 });
    const average = (sequence: number): number => {
      const rows = Array.from({ length: 61 }, (_, i) => sequence * 61 + i).filter(
        (r) => inputs["targets"]![r]! >= 0,
      );
      return rows.reduce((a, r) => a + inputs["logprobs"]![r]!, 0) / rows.length;
    };
    const [chosen, rejected] = [average(0), average(1)];
    const wanted = -chosen - 0.3 * ls(logOdds(chosen) - logOdds(rejected));
    expect(run(c, inputs)["losses"]![0]).toBeCloseTo(wanted, 10);

    const k = caseOf("kto");
    const settings = { beta: 0.3, desirable: 1.5, undesirable: 0.5, z: 0.2 };
    const numbers = withSettings(k, inputsFor(op, k), settings);
    const { losses } = run(k, numbers);
    for (const [b, label] of numbers["labels"]!.entries()) {
      const ratio = Array.from({ length: 61 }, (_, i) => b * 61 + i)
        .filter((r) => numbers["targets"]![r]! >= 0)
        .reduce((a, r) => a + numbers["logprobs"]![r]! - numbers["reference"]![r]!, 0);
      const expected =
        label > 0 ? 1.5 * (1 - sigma(0.3 * (ratio - 0.2))) : 0.5 * (1 - sigma(0.3 * (0.2 - ratio)));
      expect(losses![b]! / expected).toBeCloseTo(1, 9);
    }
  });
});

// ---- X1: step zero

/** Loss where the model is its own reference (and the old model), with the defaults. */
const stepZero: Readonly<Partial<Record<ObjectiveName, number>>> = {
  dpo: Math.LN2,
  robust: Math.LN2,
  sigmoid_norm: Math.LN2,
  ipo: 25,
  ipo_sum: 25,
  hinge: 1,
  bco_pair: 2 * Math.LN2,
  nca_pair: 2 * Math.LN2,
  sppo_hard: 50,
  apo_zero: 1,
  apo_down: 1,
  kto: 0.5,
};

describe("at step zero (X1) the kernel says", () => {
  test.each(Object.entries(stepZero))("%s %d", async (name, wanted) => {
    const c = caseOf(name as ObjectiveName);
    const [bench] = await kernelBenches("objective", op, [c], "simd");
    const inputs = withSettings(c, inputsFor(op, c), defaults(name as ObjectiveName));
    inputs["reference"] = inputs["logprobs"]!.slice();
    const { sums, losses } = bench!.run(inputs, { accumulate: false }) as Tensors;
    expect(losses!.length).toBe(c.d["U"]);
    for (const loss of losses!) expect(Math.abs(loss - wanted)).toBeLessThanOrEqual(1e-6);
    expect(sums![0]).toBe(c.d["U"]);
    const logged = Object.keys(objectiveOf(name as ObjectiveName).metrics);
    for (const metric of ["rewards/accuracies", "rewards/margins"]) {
      const at = logged.indexOf(metric);
      if (at >= 0) expect(sums![3 + at], metric).toBe(0); // a tie is no success
    }
  });

  test("cDPO ln 2, whatever share of labels is wrong", () => {
    const c = caseOf("dpo");
    for (const label_smoothing of [0.1, 0.3]) {
      const inputs = withSettings(c, inputsFor(op, c), { beta: 0.1, label_smoothing, nll: 0 });
      inputs["reference"] = inputs["logprobs"]!.slice();
      for (const loss of run(c, inputs)["losses"]!) expect(loss).toBeCloseTo(Math.LN2, 12);
    }
  });

  test("policy gradients about 0, and a gradient that is not (thread 18)", () => {
    for (const name of ["grpo", "grpo_dual", "cispo"] as const) {
      const c = caseOf(name);
      const inputs = withSettings(c, inputsFor(op, c), defaults(name));
      inputs["old"] = inputs["logprobs"]!.slice();
      const { d_logprobs } = run(c, inputs);
      inputs["advantages"]!.forEach((advantage, r) => {
        const wanted = inputs["targets"]![r]! < 0 ? 0 : -advantage * inputs["weights"]![r]!;
        expect(d_logprobs![r]).toBeCloseTo(wanted, 12); // that of REINFORCE
      });
    }
  });
});

// ---- masks

test("what stands at rows that are not counted changes no bit (X3, thread 24)", async () => {
  const cases = op.cases.filter((c) => (c.d["B"] ?? 1) > 1 || c.attrs!["unit"] === "token");
  const benches = await kernelBenches("objective", op, cases, "relaxed");
  for (const [i, c] of cases.entries()) {
    const inputs = inputsFor(op, c);
    const masked: Tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, values]) => {
        const isRowed = values.length === c.d["R"] && name !== "targets";
        const garbage = (r: number): number => (r % 3 === 0 ? Infinity : NaN);
        return [name, values.map((v, r) => (isRowed && inputs["targets"]![r]! < 0 ? garbage(r) : v))];
      }),
    );
    expect(benches[i]!.run(masked, {}), shown[i]![0]).toEqual(benches[i]!.run(inputs, {}));
  }
});

test("an answer without a counted row, and its pair, have no part in anything", () => {
  const c = caseOf("dpo");
  const inputs = inputsFor(op, c);
  inputs["targets"]!.fill(-1, 61, 122); // sequence 1: the rejected answer of pair 0
  const { losses, sums, d_logprobs } = run(c, inputs);
  expect(losses![0]).toBe(0);
  expect(sums![0]).toBe(2);
  expect([...d_logprobs!.subarray(0, 122)].every((v) => v === 0)).toBe(true);
  expect(d_logprobs!.some((v) => v !== 0)).toBe(true);
});

test("orpo near probability 1 has numbers, and so has its slope", () => {
  const c = caseOf("orpo");
  const inputs = inputsFor(op, c);
  for (const logp of [0, -1e-9, -1e-7, -1e-5, 1e-8]) {
    inputs["logprobs"]!.fill(logp);
    const { losses, d_logprobs } = run(c, inputs);
    expect([...losses!, ...d_logprobs!].every(Number.isFinite), `${logp}`).toBe(true);
  }
});

// ---- passes

test("the passes that an objective takes follow from its equation", () => {
  const passes = Object.fromEntries(
    names.map((name) => {
      const { unit, equation, settings } = objectiveOf(name);
      return [
        name,
        passesOf(planOf({ unit, equation, sums: "", settings: Object.keys(settings).join(" ") })),
      ];
    }),
  );
  const by = (wanted: string): string[] => names.filter((name) => passes[name] === wanted);
  expect(by("known")).toEqual(["sft", "reinforce"]);
  expect(by("by row")).toEqual(["dft", "grpo", "grpo_dual", "cispo", "ppo"]);
  expect(by("by answer").length).toBe(names.length - 7);
});

// ---- X11: what a divergence in the loss teaches

describe("estimators of the divergence (X11, thread 25)", () => {
  const logits = [0.9, -0.4, 0.1, -0.8];
  const refLogits = [-0.2, 0.5, 0.3, 0.4];
  const logSoftmax = (x: readonly number[]): number[] => {
    const sum = Math.log(x.reduce((a, v) => a + Math.exp(v), 0));
    return x.map((v) => v - sum);
  };
  const [lp, lr] = [logSoftmax(logits), logSoftmax(refLogits)];
  const p = lp.map(Math.exp);
  const q = lr.map(Math.exp);
  const kl = (a: readonly number[], la: readonly number[], lb: readonly number[]): number =>
    a.reduce((sum, v, i) => sum + v * (la[i]! - lb[i]!), 0);
  const forward = kl(p, lp, lr);
  /** ∇ by the logits of KL(π‖ref), and of KL(ref‖π). */
  const toReference = p.map((v, i) => v * (lp[i]! - lr[i]! - forward));
  const fromReference = p.map((v, i) => v - q[i]!);

  const c = (estimator: KlEstimator): Case => {
    const { unit, equation, settings, metrics } = objectiveOf("reinforce", { kl: estimator });
    const R = 4;
    return {
      d: { R, S: 2 * MOST_SETTINGS, H: 16, U: R, M: 4 },
      attrs: {
        unit,
        equation,
        settings: Object.keys(settings).join(" "),
        sums: Object.values(metrics)
          .map((m) => m.sum)
          .join(";"),
      },
      with: ["logprobs", "reference", "advantages", "weights", "d_logprobs", "losses", "sums"],
    };
  };
  /** The slope of each answer's loss by its ln p, and the loss itself. */
  const slopes = (estimator: KlEstimator): { d: Float64Array; losses: Float64Array } => {
    const of = c(estimator);
    const inputs: Tensors = Object.fromEntries(
      op.tensors
        .filter((t) => !t.output && (!t.optional || of.with!.includes(t.name)))
        .map((t) => [t.name, new Float64Array(elements(shapeOf(t, of.d)))]),
    );
    inputs["logprobs"]!.set(lp);
    inputs["reference"]!.set(lr);
    inputs["weights"]!.fill(1);
    inputs["targets"]!.set([0, 1, 2, 3]);
    const { d_logprobs, losses } = run(of, withSettings(of, inputs, { kl: 1 }));
    return { d: d_logprobs!, losses: losses! };
  };
  /** ∇ of what one drawn answer adds, by the logits: slope · ∇ ln p(answer). */
  const gradient = (d: Float64Array, drawn: number): number[] =>
    p.map((v, i) => d[drawn]! * ((i === drawn ? 1 : 0) - v));

  const wanted = { k1: p.map(() => 0), k2: toReference, k3: fromReference };

  test.each(Object.keys(klEstimators) as KlEstimator[])("%s: expected over all answers, exactly", (k) => {
    const { d, losses } = slopes(k);
    const mean = p.map((_, i) => p.reduce((sum, v, drawn) => sum + v * gradient(d, drawn)[i]!, 0));
    mean.forEach((v, i) => expect(v).toBeCloseTo(wanted[k][i]!, 12));
    const value = p.reduce((sum, v, drawn) => sum + v * losses[drawn]!, 0);
    if (k === "k2") expect(Math.abs(value - forward)).toBeGreaterThan(1e-2); // it is biased
    else expect(value).toBeCloseTo(forward, 12);
  });

  test.each(Object.keys(klEstimators) as KlEstimator[])("%s: of 100,000 drawn answers, within 3 SE", (k) => {
    const { d, losses } = slopes(k);
    const next = noise(20_261_128);
    const N = 100_000;
    const sums = p.map(() => ({ total: 0, squares: 0 }));
    const values = { total: 0, squares: 0 };
    for (let n = 0; n < N; n++) {
      let left = (next() + 1) / 2;
      const drawn = Math.min(3, p.findIndex((v) => (left -= v) < 0) & 3);
      gradient(d, drawn).forEach((g, i) => {
        sums[i]!.total += g;
        sums[i]!.squares += g * g;
      });
      values.total += losses[drawn]!;
      values.squares += losses[drawn]! ** 2;
    }
    const check = ({ total, squares }: typeof values, truth: number): void => {
      const mean = total / N;
      const error = Math.sqrt((squares / N - mean * mean) / N);
      expect(Math.abs(mean - truth)).toBeLessThan(3 * error + 1e-12);
    };
    sums.forEach((sum, i) => check(sum, wanted[k][i]!));
    if (k !== "k2") check(values, forward);
  });
});
