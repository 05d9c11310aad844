/**
 * specs/it.sinter, trained by its own commands from three seeds: in sentences that were held out, "it" looks
 * at the noun that is meant, which no fixed position and no untrained model does, and the next word needs it.
 */
import { join } from "node:path";
import { runIt, type ItResult } from "../../app/studies/pronouns/run-it.ts";
import { percent } from "../../runtime/contract/amounts.ts";
import type { Campaign } from "./campaign.ts";

const SEEDS = [1337, 1, 2];

export const it: Campaign["run"] = async ({ out, say, signal }) => {
  const counts: (readonly [string, string])[] = [];
  const findings: string[] = [];
  for (const seed of SEEDS) {
    if (signal.aborted) return { counts, findings, complete: false };
    say(`seed ${seed}`);
    const result = await runIt({ folder: join(out, `${seed}`), seed, say: () => {} });
    counts.push(...linesOf(seed, result));
    findings.push(...findingsOf(result).map((finding) => `seed ${seed}: ${finding}`));
  }
  return { counts, findings, complete: true };
};

const linesOf = (seed: number, { trained, untrained, fixed, seconds }: ItResult) =>
  [
    [`seed ${seed}: seconds of training`, seconds.toFixed(0)],
    [`seed ${seed}: at the right noun, trained`, percent(trained.head.right, 1)],
    [`seed ${seed}: at the right noun, untrained`, percent(untrained.head.right, 1)],
    [`seed ${seed}: always ${fixed.name}`, percent(fixed.right, 1)],
    [`seed ${seed}: next word`, percent(trained.nextWord, 1)],
    [`seed ${seed}: next word without the head`, percent(trained.withoutHead, 1)],
  ] as const;

function findingsOf({ trained, untrained, fixed }: ItResult): readonly string[] {
  const is = (fine: boolean, otherwise: string): readonly string[] => (fine ? [] : [otherwise]);
  return [
    ...is(trained.head.right >= 0.9, `"it" looks at the right noun in ${trained.head.right}`),
    ...is(untrained.head.right <= 0.6, `so it does before the first step, in ${untrained.head.right}`),
    ...is(fixed.right <= 0.6, `always ${fixed.name} is right in ${fixed.right}`),
    ...is(trained.nextWord >= 0.9, `the next word is right in ${trained.nextWord}`),
    ...is(trained.withoutHead <= trained.nextWord - 0.1, `without the head in ${trained.withoutHead}`),
  ];
}
