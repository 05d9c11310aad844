/** What app/studies/page.ts runs in a page of Chromium, and beside it in Node: steps of training. */
import type * as Browser from "../../runtime/browser/index.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type * as Runtime from "../../runtime/index.ts";

export interface StepPlan {
  /** A folder of the server. */
  readonly bundle: string;
  readonly target: Target;
  /** Before them, the page waits for its turn. */
  readonly rounds: number;
  readonly steps: number;
}

/** Tokens per second of so many steps on tokens drawn at random. */
export async function speedOf(model: Runtime.RunningModel, steps: number): Promise<number> {
  const { batch, context } = model.entry("train");
  const { vocab } = model.manifest.model.sizes;
  const rows = { length: batch * context };
  const draw = (): Int32Array<ArrayBuffer> => Int32Array.from(rows, () => Math.floor(Math.random() * vocab));
  const micro = Array.from({ length: steps }, () => [{ tokens: draw(), targets: draw() }]);
  const began = performance.now();
  for (const [i, batches] of micro.entries()) await model.trainStep(batches, { lr: 1e-4, step: i + 1 });
  return (1000 * steps * batch * context) / (performance.now() - began);
}

/** In a page: as many rounds as planned, each when /turn has been answered. */
export async function inPage({ bundle, target, rounds, steps }: StepPlan): Promise<readonly number[]> {
  const load = <M>(path: string): Promise<M> => import(path) as Promise<M>;
  const { browserHost, fetchFiles } = await load<typeof Browser>("/sinter/browser/index.js");
  const { createModel, readBundle } = await load<typeof Runtime>("/sinter/index.js");
  const read = await readBundle(fetchFiles(location.origin), bundle);
  const model = await createModel(read, "train", { host: browserHost, workers: 1, target, seed: 1 });
  await speedOf(model, steps); // engines run code of their fast compiler first
  const speeds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await fetch("/turn");
    speeds.push(await speedOf(model, steps));
  }
  await model.close();
  return speeds;
}
