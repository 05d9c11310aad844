/**
 * THE table of what `sinter bench` measures, section by section. Each section has names that a filter chooses
 * from, and adds its rows to the report.
 */
import { phases } from "./bench-infer.ts";
import { mixtureSize, sizeNames } from "./bench-models.ts";
import { opCases } from "./op-cases.ts";
import type { Section } from "./section.ts";
import { inference, inferTitle, mixture, trainings, trainTitle } from "./section-models.ts";
import { operations } from "./section-ops.ts";

/** Needs gigabytes and minutes, so it is measured only when a filter names it. */
export const isHeavy = (title: string): boolean =>
  title.endsWith(" gpt2") || title.endsWith(` ${mixtureSize}`);

export const sections: readonly Section[] = [
  { titles: (all) => opCases(all).map((c) => c.title), run: operations },
  { titles: () => sizeNames.map(trainTitle), run: trainings },
  { titles: () => phases.map((phase) => inferTitle(phase)), run: inference },
  {
    titles: () => [trainTitle(mixtureSize), ...phases.map((phase) => inferTitle(phase, mixtureSize))],
    run: mixture,
  },
];
