/**
 * npm run study -- style leash|hacking [--seeds 3] [--steps 200] [--lr RATE] [--beta WEIGHT] [--control]
 *                                      [--results FILE] [--picture FILE.html]
 *
 * Experiments X15 and X16 (posttraining/vowel-style.ts). `leash`: rewards less 0.02 times the divergence,
 * beside the best that this can be. `hacking`: a reward model's reward without a leash, and with one of 0.2;
 * `--picture` draws reward and what was meant against the divergence, of the last seed. `--results` keeps
 * what was measured: a study that was stopped goes on with the next seed.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { chart, type Curve } from "../../runtime/report/chart.ts";
import { htmlPage } from "../../runtime/report/markup.ts";
import { pageStyle } from "../../runtime/report/page-style.ts";
import { oneWord } from "../cli/options/option.ts";
import { keepResult, keptResults, spreadLine } from "./posttraining/seeds.ts";
import { runStyle, styles, type StyleName, type StyleResult } from "./posttraining/vowel-style.ts";

const { values: o, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "3" },
    steps: { type: "string", default: "200" },
    lr: { type: "string" },
    beta: { type: "string" },
    control: { type: "boolean", default: false },
    results: { type: "string" },
    picture: { type: "string" },
  },
});
const name = oneWord(Object.keys(styles) as StyleName[], positionals[0] ?? "leash", "the experiment");
const usual = { leash: { lr: 5e-4, betas: [0.02] }, hacking: { lr: 1e-3, betas: [0, 0.2] } }[name];
const betas = o.beta === undefined ? usual.betas : [Number(o.beta)];
/** Of the way from the start to the best. */
const PART = 0.8;

interface Kept {
  readonly name: StyleName;
  readonly seed: number;
  readonly beta: number;
  readonly isControl: boolean;
  readonly result: StyleResult;
}
const all = keptResults<Kept>(o.results);
const isOf = (seed: number, beta: number) => (one: Kept) =>
  one.name === name && one.seed === seed && one.beta === beta && one.isControl === o.control;

for (let seed = 1; seed <= Number(o.seeds); seed++)
  for (const beta of betas) {
    if (all.some(isOf(seed, beta))) continue;
    const result = await runStyle(name, {
      seed,
      beta,
      steps: Number(o.steps),
      lr: Number(o.lr ?? usual.lr),
      evalEvery: name === "leash" ? 50 : 4,
      isControl: o.control,
      ...(name === "leash" && { heard: (line) => console.log(`  ${line}`) }),
    });
    const kept = { name, seed, beta, isControl: o.control, result };
    all.push(kept);
    keepResult(o.results, kept);
    console.log(name === "leash" ? leashLine(kept) : hackingLine(kept));
  }

function leashLine({ seed, beta, result: { before, points, best, bestError } }: Kept): string {
  const { objective, error, divergence } = points.at(-1)!;
  const wanted = before.objective + PART * (best - before.objective);
  const verdict =
    objective > best + 3 * Math.hypot(error, bestError) ? "ABOVE THE BEST: something is wrong" : "";
  return (
    `seed ${seed}, beta ${beta}: reward − beta · KL ` +
    `${before.objective.toFixed(4)} → ${objective.toFixed(4)} ± ${error.toFixed(4)} ` +
    `(best ${best.toFixed(4)} ± ${bestError.toFixed(4)}; ${PART} of the way: ` +
    `${wanted.toFixed(4)}), KL ${divergence.toFixed(2)} nats ${verdict}`
  );
}

function hackingLine({ seed, beta, result: { before, points } }: Kept): string {
  const last = points.at(-1)!;
  const peak = points.reduce((a, b) => (b.meant > a.meant ? b : a));
  return (
    `seed ${seed}, beta ${beta}: reward ${before.reward.toFixed(2)} → ${last.reward.toFixed(2)}; meant ` +
    `${before.meant.toFixed(3)} → at most ${peak.meant.toFixed(3)} (step ${peak.step}) → ` +
    `${last.meant.toFixed(3)}, ${last.divergence.toFixed(1)} nats from the start`
  );
}

const ours = all.filter((one) => one.name === name && one.isControl === o.control);
for (const beta of betas) {
  const some = ours.filter((one) => one.beta === beta).map(({ result }) => result);
  const shares = some.map(({ before, points, best }) => {
    const last = points.at(-1)!;
    return name === "leash"
      ? (last.objective - before.objective) / (best - before.objective)
      : last.meant - before.meant;
  });
  const what = name === "leash" ? "of the way to the best" : "change of what was meant";
  console.log(`${some.length} seeds, beta ${beta}`);
  console.log(spreadLine(what, shares));
}
if (o.picture !== undefined) {
  writeFileSync(o.picture, picture(betas.map((beta) => ours.findLast((one) => one.beta === beta)!)));
  console.log(`drawn: ${o.picture}`);
}

/** Reward and what was meant against the divergence, one pair of charts for each weight. */
function picture(results: readonly Kept[]): string {
  const charts = results.map(({ beta, result: { before, points } }) => {
    const along = [before, ...points].toSorted((a, b) => a.divergence - b.divergence);
    const curve = (of: "reward" | "meant", tone: string): Curve => ({
      name: of,
      tone,
      points: along.map((point) => [point.divergence, point[of]]),
      marks: "dots",
    });
    const options = { height: 220, below: "nats per text from the start" };
    return (
      chart(`What the reward model says, beta ${beta}`, [curve("reward", "second")], {
        ...options,
        unit: "reward",
      }) +
      chart(`What was meant, beta ${beta}`, [curve("meant", "third")], {
        ...options,
        unit: "share of letters",
      })
    );
  });
  return htmlPage({
    title: "A reward that is found out",
    heading: "A reward that is found out",
    about: "Texts of 20 letters. The reward model has seen 300 pairs.",
    style: pageStyle,
    body: charts.map((pair) => `<div class="pair">${pair}</div>`).join(""),
  });
}
