/**
 * npm run study -- page [--spec FILE] [--rounds 5] [--steps 20] [--target simd,relaxed]
 *
 * Tokens per second of training on one thread, in a page of Chromium and in Node, for the same target. They
 * take turns: Node makes its steps while the page waits, and the ratio is that of neighbouring rounds.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromiumMissing, inChromium } from "../../bench/measure/chromium.ts";
import { median } from "../../bench/measure/statistics.ts";
import { checkSource } from "../../compiler/2-check/check.ts";
import { compileModel } from "../../compiler/compile.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { createModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { asJavaScript } from "../../runtime/node/page-server.ts";
import { speedOf, type StepPlan } from "./page-steps.ts";

const { values: o } = parseArgs({
  options: {
    spec: { type: "string", default: new URL("../../specs/quickstart.sinter", import.meta.url).pathname },
    rounds: { type: "string", default: "5" },
    steps: { type: "string", default: "20" },
    target: { type: "string", default: "simd,relaxed" },
  },
});
const missing = chromiumMissing();
if (missing !== undefined) throw new Error(missing);
const [model] = checkSource(readFileSync(o.spec, "utf8")).models;
if (!model) throw new Error(`${o.spec} holds no model`);
const targets = o.target.split(",") as Target[];
const bundle = await compileModel(model, { targets, modules: ["train"] });
const program = asJavaScript(readFileSync(new URL("page-steps.ts", import.meta.url), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "sinter-page-study-"));
try {
  for (const [name, bytes] of bundle.files) writeFileSync(join(folder, name), bytes);
  for (const target of targets) await compare(target);
} finally {
  rmSync(folder, { recursive: true });
}

async function compare(target: Target): Promise<void> {
  const plan: StepPlan = { bundle: ".", target, rounds: Number(o.rounds), steps: Number(o.steps) };
  const here = await createModel(bundle, "train", { host: nodeHost, workers: 1, target, seed: 1 });
  await speedOf(here, plan.steps);
  const inNode: number[] = [];
  const inPage = (await inChromium({
    folder,
    program: `${program}\nexport default () => inPage(${JSON.stringify(plan)});`,
    handle(request, response) {
      if (request.url !== "/turn") return false;
      void speedOf(here, plan.steps).then((speed) => {
        inNode.push(speed);
        response.end();
      });
      return true;
    },
  })) as readonly number[];
  await here.close();
  const ratios = inPage.map((speed, round) => speed / inNode[round]!);
  const spread = `${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}`;
  console.log(
    `${model!.name}, ${target}, one thread: page ${median(inPage).toFixed(0)}, Node ` +
      `${median(inNode).toFixed(0)} tok/s; page / Node ${median(ratios).toFixed(2)} (${spread})`,
  );
}
