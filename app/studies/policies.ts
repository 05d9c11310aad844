/**
 * npm run study -- policies addition|sorting|echo [--seeds 5] [--steps 300] [--control shuffled|untrained]
 *                                                 [--results FILE]
 *
 * Experiments X12, X14 and X13: tasks that are learnt from rewards, each with its own objective
 * (posttraining/policy-tasks.ts). `--results` keeps what was measured: a study that was stopped goes on with
 * the next seed.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { oneWord } from "../cli/options/option.ts";
import { deviationOf, meanOf } from "../../runtime/train/rl/statistics.ts";
import { policyControls, runPolicyTask, type PolicyResult } from "./posttraining/policy-task.ts";
import { policyTasks, type PolicyTaskName } from "./posttraining/policy-tasks.ts";

const { values: o, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "5" },
    steps: { type: "string", default: "300" },
    lr: { type: "string", default: "1e-3" },
    prompts: { type: "string", default: "32" },
    control: { type: "string" },
    results: { type: "string" },
  },
});
const names = Object.keys(policyTasks) as PolicyTaskName[];
const name = oneWord(names, positionals[0] ?? "addition", "the task");
const control = o.control === undefined ? undefined : oneWord(policyControls, o.control, "--control");

interface Kept extends PolicyResult {
  readonly task: PolicyTaskName;
}
const kept = (): readonly Kept[] =>
  o.results !== undefined && existsSync(o.results)
    ? readFileSync(o.results, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Kept)
    : [];

const results = kept().filter((one) => one.task === name && one.control === (control ?? "none"));
for (let seed = 1; seed <= Number(o.seeds); seed++) {
  if (results.some((result) => result.seed === seed)) continue;
  const began = performance.now();
  const result = await runPolicyTask(policyTasks[name](), {
    seed,
    steps: Number(o.steps),
    lr: Number(o.lr),
    prompts: Number(o.prompts),
    asked: 800,
    evalEvery: 50,
    ...(control && { control }),
    heard: (line) => console.log(`  ${line}`),
  });
  results.push({ task: name, ...result });
  if (o.results !== undefined) appendFileSync(o.results, `${JSON.stringify(results.at(-1))}\n`);
  const { sftSteps, before, points } = result;
  console.log(
    `seed ${seed}: pass@1 ${before.toFixed(3)} after ${sftSteps} steps of supervised learning → ` +
      `${points.at(-1)!.pass1.toFixed(3)}  (${((performance.now() - began) / 1000).toFixed(0)} s)`,
  );
}
const ends = results.map(({ points }) => points.at(-1)!.pass1);
console.log(
  `${results.length} seeds: pass@1 at the end ${meanOf(ends).toFixed(4)}, SD ${deviationOf(ends).toFixed(4)}`,
);
