/**
 * npm run study -- policies addition|sorting|echo [--seeds 5] [--steps N] [--control shuffled|untrained]
 *                                                 [--results FILE]
 *
 * Experiments X12, X14 and X13: tasks that are learnt from rewards, each with its own objective
 * (posttraining/policy-tasks.ts). `--results` keeps what was measured: a study that was stopped goes on with
 * the next seed.
 */
import { parseArgs } from "node:util";
import { oneWord } from "../cli/options/option.ts";
import { policyControls, runPolicyTask, type PolicyResult } from "./posttraining/policy-task.ts";
import { policyTasks, type PolicyTaskName } from "./posttraining/policy-tasks.ts";
import { keepResult, keptResults, spreadLines, type FiguresOf } from "./posttraining/seeds.ts";

const { values: o, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "5" },
    steps: { type: "string" },
    lr: { type: "string", default: "1e-3" },
    prompts: { type: "string", default: "32" },
    control: { type: "string" },
    results: { type: "string" },
  },
});
const names = Object.keys(policyTasks) as PolicyTaskName[];
const name = oneWord(names, positionals[0] ?? "addition", "the task");
const task = policyTasks[name]();
const control = o.control === undefined ? undefined : oneWord(policyControls, o.control, "--control");

interface Kept extends PolicyResult {
  readonly task: PolicyTaskName;
}
const results = keptResults<Kept>(o.results).filter(
  (one) => one.task === name && one.control === (control ?? "none"),
);

for (let seed = 1; seed <= Number(o.seeds); seed++) {
  if (results.some((result) => result.seed === seed)) continue;
  const began = performance.now();
  const result = await runPolicyTask(task, {
    seed,
    steps: o.steps === undefined ? task.steps : Number(o.steps),
    lr: Number(o.lr),
    prompts: Number(o.prompts),
    asked: 800,
    evalEvery: 50,
    ...(control && { control }),
    heard: (line) => console.log(`  ${line}`),
  });
  results.push({ task: name, ...result });
  keepResult(o.results, results.at(-1)!);
  const { sftSteps, before, points } = result;
  console.log(
    `seed ${seed}: pass@1 ${before.toFixed(3)} after ${sftSteps} steps of supervised learning → ` +
      `${points.at(-1)!.pass1.toFixed(3)}  (${((performance.now() - began) / 1000).toFixed(0)} s)`,
  );
}
const ofValues: FiguresOf<PolicyResult> = {
  "variance explained at best": ({ points }) => Math.max(...points.map(({ value }) => value!.explained)),
  "value loss at the end ÷ at most": ({ points }) =>
    points.at(-1)!.value!.loss / Math.max(...points.map(({ value }) => value!.loss)),
};
console.log(
  spreadLines(results, {
    "pass@1 at the end": ({ points }) => points.at(-1)!.pass1,
    ...(task.objective === "ppo" && ofValues),
  }),
);
