/**
 * npm run study -- addition [--seeds 5] [--steps 300] [--control shuffled|untrained] [--results FILE]
 *
 * Experiment X12: addition of two digits by policy gradients, from a start that is right in a third of its
 * answers. `--results` keeps what was measured: a study that was stopped goes on with the next seed.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { deviationOf, meanOf } from "../../runtime/train/rl/statistics.ts";
import { runAddition, type AdditionOptions, type AdditionResult } from "./posttraining/addition.ts";

const { values: o } = parseArgs({
  options: {
    seeds: { type: "string", default: "5" },
    steps: { type: "string", default: "300" },
    lr: { type: "string", default: "1e-3" },
    control: { type: "string" },
    results: { type: "string" },
  },
});
const control = o.control as AdditionOptions["control"];
const known = ({ control: of }: AdditionResult): boolean => of === (control ?? "none");
const kept = (): readonly AdditionResult[] =>
  o.results !== undefined && existsSync(o.results)
    ? readFileSync(o.results, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as AdditionResult)
    : [];

const results = kept().filter(known);
for (let seed = 1; seed <= Number(o.seeds); seed++) {
  if (results.some((result) => result.seed === seed)) continue;
  const result = await runAddition({
    seed,
    steps: Number(o.steps),
    lr: Number(o.lr),
    prompts: 32,
    asked: 800,
    evalEvery: 50,
    ...(control && { control }),
    heard: (line) => console.log(`  ${line}`),
  });
  results.push(result);
  if (o.results !== undefined) appendFileSync(o.results, `${JSON.stringify(result)}\n`);
  const { sftSteps, before, points } = result;
  console.log(
    `seed ${seed}: pass@1 ${before.toFixed(3)} after ${sftSteps} steps of supervised learning → ` +
      points.at(-1)!.pass1.toFixed(3),
  );
}
const ends = results.map(({ points }) => points.at(-1)!.pass1);
console.log(
  `${results.length} seeds: pass@1 at the end ${meanOf(ends).toFixed(4)}, SD ${deviationOf(ends).toFixed(4)}`,
);
