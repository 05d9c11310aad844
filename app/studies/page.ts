/**
 * npm run study -- page [--spec FILE] [--rounds 5] [--steps 20] [--target simd,relaxed]
 *
 * Tokens per second of training on one thread, in a page of Chromium and in Node, for the same target. They
 * take turns: Node makes its steps while the page waits, and the ratio is that of neighbouring rounds. Where
 * the peers are installed (npm ci --prefix bench/peers), jax-js takes turns with Node, too: a step of the
 * same sizes in a page, on its WebAssembly backend.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromiumMissing, inChromium } from "../../bench/measure/chromium.ts";
import { median } from "../../bench/measure/statistics.ts";
import { compileModel } from "../../compiler/compile.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { createModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { asJavaScript } from "../../runtime/node/page-server.ts";
import type { JaxPlan } from "./page-jax.ts";
import { speedOf, type StepPlan } from "./page-steps.ts";
import { modelIn } from "./asked.ts";

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
const model = modelIn(o.spec);
const targets = o.target.split(",") as Target[];
const bundle = await compileModel(model, { targets, modules: ["train"] });
const programOf = (file: string): string =>
  asJavaScript(readFileSync(new URL(file, import.meta.url), "utf8"));
const program = programOf("page-steps.ts");
const JAX = new URL("../../bench/peers/node_modules/@jax-js/jax/dist", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "sinter-page-study-"));
try {
  for (const [name, bytes] of bundle.files) writeFileSync(join(folder, name), bytes);
  for (const target of targets) await compare(target);
  if (existsSync(JAX)) await compareJax(targets[0]!);
  else console.log("jax-js: not here (npm ci --prefix bench/peers)");
} finally {
  rmSync(folder, { recursive: true });
}

/** Tokens per second in Node while the page's program waits for its turns, and what the program answers. */
async function byTurns(
  program: string,
  target: Target,
): Promise<{ readonly answer: unknown; readonly inNode: readonly number[] }> {
  const here = await createModel(bundle, "train", { host: nodeHost, workers: 1, target, seed: 1 });
  const steps = Number(o.steps);
  await speedOf(here, steps);
  const inNode: number[] = [];
  const answer = await inChromium({
    folder,
    program,
    handle(request, response) {
      if (request.url !== "/turn") return false;
      void speedOf(here, steps).then((speed) => {
        inNode.push(speed);
        response.end();
      });
      return true;
    },
  });
  await here.close();
  return { answer, inNode };
}

function ratioText(a: readonly number[], b: readonly number[]): string {
  const ratios = a.map((speed, round) => speed / b[round]!);
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  return `${median(ratios).toFixed(2)} (${least.toFixed(2)} … ${most.toFixed(2)})`;
}

async function compareJax(target: Target): Promise<void> {
  cpSync(JAX, join(folder, "jax"), { recursive: true });
  const { batch, context } = model!.train;
  const [rounds, steps] = [Number(o.rounds), Math.max(2, Math.floor(Number(o.steps) / 5))];
  const plan: JaxPlan = { sizes: model!.sizes, batch, context, rounds, steps };
  const text = `${programOf("page-jax.ts")}\nexport default () => jaxInPage(${JSON.stringify(plan)});`;
  const { answer, inNode } = await byTurns(text, target);
  const { speeds, first, last } = answer as { speeds: number[]; first: number; last: number };
  console.log(
    `jax-js in a page: ${median(speeds).toFixed(0)} tok/s (loss ${first.toFixed(2)} to ` +
      `${last.toFixed(2)}); Sinter in Node / jax-js ${ratioText(inNode, speeds)}`,
  );
}

async function compare(target: Target): Promise<void> {
  const plan: StepPlan = { bundle: ".", target, rounds: Number(o.rounds), steps: Number(o.steps) };
  const text = `${program}\nexport default () => inPage(${JSON.stringify(plan)});`;
  const { answer, inNode } = await byTurns(text, target);
  const inPage = answer as readonly number[];
  console.log(
    `${model!.name}, ${target}, one thread: page ${median(inPage).toFixed(0)}, Node ` +
      `${median(inNode).toFixed(0)} tok/s; page / Node ${ratioText(inPage, inNode)}`,
  );
}
