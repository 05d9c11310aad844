/**
 * npm run study -- instructions --model CHECKPOINT --data FILE --pairs FILE [--seeds 3] [--folder DIR]
 *                               [--control]
 *
 * Experiments X5 and X8, by the command line's own verbs: a small published model learns to answer
 * instructions, then which of two answers is the polite one. X5: the loss of held-out answers falls by a
 * quarter at least. X8: of held-out pairs 80 % at least, at a loss of 0.60 nats at most; a pair whose answers
 * are the same says nothing and is left out. --control: chosen and rejected change places in every second
 * pair, so that there is nothing to learn. --folder keeps the runs: a study that was stopped goes on there.
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { spreadLines } from "./posttraining/seeds.ts";
import { evaluationsOf, runStage, runVerb, setting } from "./run-verb.ts";
import { missing } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    pairs: { type: "string" },
    seeds: { type: "string", default: "3" },
    folder: { type: "string" },
    control: { type: "boolean", default: false },
  },
});
const { model, data, pairs } = o;
if (model === undefined || data === undefined || pairs === undefined)
  throw missing("say --model CHECKPOINT, --data FILE and --pairs FILE");

const folder = o.folder ?? mkdtempSync(join(tmpdir(), "sinter-instructions-"));
const at = (name: string): string => join(folder, name);

/** In every second pair, chosen and rejected have changed places. */
function mixed(): string {
  const rows = JSON.parse(readFileSync(pairs!, "utf8")) as Readonly<Record<string, string>>[];
  const file = at("mixed.json");
  const swapped = rows.map(({ chosen, rejected, ...row }, i) =>
    i % 2 === 0 ? { ...row, chosen, rejected } : { ...row, chosen: rejected, rejected: chosen },
  );
  writeFileSync(file, JSON.stringify(swapped));
  return file;
}

const base = at("base");
if (!existsSync(base)) runVerb(["import", resolve(model), "-o", base, "--context", "256"], "hidden");
const judged = o.control ? mixed() : resolve(pairs);
const results: { readonly fall: number; readonly right: number }[] = [];
for (let seed = 1; seed <= Number(o.seeds); seed++) {
  const answers = at(`answers-${seed}`);
  const polite = at(`${o.control ? "control" : "polite"}-${seed}`);
  const all = ["--drop-wrong", "--seed", `${seed}`];
  const sft = setting("context=256", "lr=2e-3", "batch=8");
  runStage("sft", { from: base, out: answers, steps: 300 }, ["--data", resolve(data), ...sft, ...all]);
  const prefer = setting("context=256", "lr=5e-5", "batch=16", "beta=0.1");
  runStage("prefer", { from: answers, out: polite, steps: 150 }, ["--data", judged, ...prefer, ...all]);
  const losses = evaluationsOf(answers).map(({ eval_loss: loss }) => loss!);
  const fall = 1 - Math.min(...losses) / losses[0]!;
  const first = evaluationsOf(polite)[0]!;
  const last = evaluationsOf(polite).at(-1)!;
  const right = last["eval_rewards/accuracies"]!;
  results.push({ fall, right });
  console.log(
    `seed ${seed}: loss of held-out answers ${losses[0]!.toFixed(3)} → ` +
      `${Math.min(...losses).toFixed(3)} nats per token (−${(100 * fall).toFixed(0)} %); ` +
      `pairs ${first["eval_loss"]!.toFixed(6)} → ` +
      `${last["eval_loss"]!.toFixed(3)} nats, right ${right.toFixed(3)}`,
  );
}
console.log(
  spreadLines(results, { "the loss fell by": ({ fall }) => fall, "pairs right": ({ right }) => right }),
);
