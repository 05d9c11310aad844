/**
 * What no policy can get round, beside what one has reached on held-out prompts (train/rl/divergence.ts).
 * Both bounds follow from the share of right answers before and now. They hold of the mean over prompts since
 * they do of each prompt: the largest objective is concave in the share before, the least divergence convex.
 */
import type { TrainEvent } from "../train/events.ts";
import { leastDivergence } from "../train/rl/divergence.ts";
import { chart, type Curve } from "./chart.ts";
import { besideEachOther, evaluationsOf, SMALL } from "./run-curves.ts";

/** kl · ln(1 − a + a e^(1/kl)): the most that the share of right answers less kl · divergence can be. */
export const largestObjective = (before: number, kl: number): number =>
  1 + kl * Math.log(before + (1 - before) * Math.exp(-1 / kl));

interface Measured {
  readonly step: number;
  /** Share of right answers, and nats per answer. */
  readonly right: number;
  readonly divergence: number;
}

/** Charts, where the evaluations say how many answers are right; `kl`: what a nat costs. */
export function boundCharts(events: readonly TrainEvent[], kl: number | undefined): string {
  const all = evaluationsOf(events).flatMap(({ step, metrics }): Measured[] => {
    const right = metrics?.["pass@1"];
    const divergence = metrics?.["objective/kl"];
    return right === undefined || divergence === undefined ? [] : [{ step, right, divergence }];
  });
  const [first] = all;
  if (first?.step !== 0 || all.length < 2 || first.right <= 0 || first.right >= 1) return "";
  const curve = (name: string, tone: Curve["tone"], value: (m: Measured) => number): Curve => ({
    name,
    tone,
    points: all.map((m) => [m.step, value(m)] as const),
    ...(tone === "second" && { marks: "dots" }),
  });
  const divergence = [
    curve("measured", "second", (m) => m.divergence),
    curve("least possible, d(p‖a)", "third", (m) => leastDivergence(m.right, first.right)),
  ];
  return besideEachOther([
    ...(kl ? [objectiveChart(curve, first.right, kl)] : []),
    chart("Divergence that the right answers cost", divergence, {
      height: SMALL,
      fromZero: true,
      unit: "nats per answer, held out; the bound is from pass@1 before and now",
    }),
  ]);
}

type CurveOfMeasured = (name: string, tone: Curve["tone"], value: (m: Measured) => number) => Curve;

function objectiveChart(curve: CurveOfMeasured, before: number, kl: number): string {
  const most = largestObjective(before, kl);
  const measured = curve("measured", "second", (m) => m.right - kl * m.divergence);
  const reached = ((measured.points.at(-1)![1] - before) / (most - before)) * 100;
  return chart("Reward less its divergence", [measured, curve("most possible, J*", "third", () => most)], {
    height: SMALL,
    unit: `pass@1 − ${kl} × nats, held out: ${reached.toFixed(0)} % of what this weight allows`,
  });
}
