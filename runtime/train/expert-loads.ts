/** How the choices of a mixture of experts were divided, gathered over the steps between two reports. */
import type { MixtureLoad } from "../engine/mixtures.ts";
import type { ExpertsEvent } from "./events.ts";

/** How often the division is reported in the course of a run. */
const REPORTS = 100;
/** Digits of a share in a report. */
const DIGITS = 4;

/** The shares of some steps, added up: sums[layer][expert]. */
interface SummedLoad {
  readonly steps: number;
  readonly sums: readonly (readonly number[])[];
}

export class ExpertLoads {
  readonly #steps: number;
  readonly #byMixture = new Map<string, SummedLoad>();

  /** `steps`: those of the whole run. */
  constructor(steps: number) {
    this.#steps = steps;
  }

  /** Adds the loads of a step; returns the reports that are due after it. */
  add(step: number, loads: readonly MixtureLoad[]): readonly ExpertsEvent[] {
    for (const { name, shares } of loads) {
      const before = this.#byMixture.get(name);
      const sums = shares.map((layer, l) => layer.map((share, e) => share + (before?.sums[l]![e] ?? 0)));
      this.#byMixture.set(name, { steps: (before?.steps ?? 0) + 1, sums });
    }
    const isDue = step % Math.ceil(this.#steps / REPORTS) === 0 || step >= this.#steps;
    if (!isDue) return [];
    const reports = [...this.#byMixture].map(([name, load]) => reportOf(step, name, load));
    this.#byMixture.clear();
    return reports;
  }
}

const reportOf = (step: number, name: string, { steps, sums }: SummedLoad): ExpertsEvent => ({
  kind: "experts",
  step,
  name,
  shares: sums.map((layer) => layer.map((sum) => Number((sum / steps).toFixed(DIGITS)))),
});
