/**
 * npm run study -- teach [--seeds 1,2] [--clicks 60] [--measured 400]
 * npm run study -- teach --replay choices.jsonl [--pairs pairs.jsonl] [--practise]
 *
 * Experiment X19 without its page: a program with a taste of its own chooses between a model's answers, a
 * judge learns that taste, and the model learns from the judge. `--replay` repeats what somebody has taught
 * in the page, from its files, and prints the hashes that the page shows.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readChoices } from "../../runtime/train/examples/feedback.ts";
import { firstLesson } from "../teaching/lessons.ts";
import { readPairs } from "../teaching/pairs-file.ts";
import { replayed, runTeach, stageBundles, type TaughtResult } from "./posttraining/teach.ts";

const { values: o } = parseArgs({
  options: {
    seeds: { type: "string", default: "1,2,3,4,5" },
    clicks: { type: "string", default: "60" },
    measured: { type: "string", default: "400" },
    replay: { type: "string" },
    pairs: { type: "string" },
    practise: { type: "boolean", default: false },
  },
});

const bundles = await stageBundles();
if (o.replay !== undefined) {
  const pairs = o.pairs === undefined ? firstLesson().pairs : readPairs(readFileSync(o.pairs), o.pairs);
  const choices = readChoices(readFileSync(o.replay), o.replay);
  const course = await replayed(bundles, { pairs, choices });
  if (o.practise) await course.practise();
  const { pupil, ...others } = await course.hashes();
  const hashes = o.practise ? { ...others, pupil } : others;
  await course.close();
  for (const [name, hash] of Object.entries(hashes)) console.log(`${name.padEnd(8)}${hash}`);
} else
  for (const seed of o.seeds.split(",").map(Number)) {
    const began = performance.now();
    const asked = { seed, clicks: Number(o.clicks), measured: Number(o.measured) };
    const result = await runTeach(bundles, asked);
    console.log(`${lineOf(seed, result)}  (${((performance.now() - began) / 1000).toFixed(0)} s)`);
  }

function lineOf(seed: number, { taught, agreement, control, heldOut, before, after }: TaughtResult): string {
  return [
    `seed ${seed}: held-out questions right ${taught.right} of ${taught.of}`,
    `agreement ${agreement.rate.toFixed(3)} of ${agreement.pairs}`,
    `of shuffled choices ${control.rate.toFixed(3)}`,
    `as the page shows it ${heldOut?.wins ?? 0} of ${heldOut?.pairs ?? 0}`,
    `hidden score ${before.toFixed(3)} → ${after.toFixed(3)}`,
  ].join("; ");
}
