/** A training over several memories beside the same one in one memory: every bit has to be the same. */
import { expect } from "vitest";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import { randomStream } from "../../runtime/base/random.ts";
import type { Batch, RunningModel } from "../../runtime/engine/model.ts";
import { loadNewest, saveCheckpoint } from "../../runtime/store/checkpoint.ts";
import { bitsOf } from "./fake-model.ts";
import { memoryFiles } from "./memory-files.ts";
import { compileSmall, type runningModels } from "./running-models.ts";

export interface DividedCase {
  /** What its spec says beside the sizes that all cases have: 2 × 16 tokens, 3 layers. */
  readonly model: string;
  readonly options?: CompileOptions;
  readonly rows?: Pick<Batch, "positions" | "first">;
  /** The order of the memories' legs. */
  readonly runs: readonly string[];
}

/** Tokens of a batch. */
export const ROWS = 32;

/**
 * Two updates in one memory and in several, by one worker and by two; then each goes on with the checkpoint
 * of another one. Losses, norms, weights and logits are compared.
 */
export async function expectSameBits(
  { model: text, options, rows, runs }: DividedCase,
  open: ReturnType<typeof runningModels>,
): Promise<void> {
  const source = `model m { vocab 61  context 16  layers 3  heads 2  embed token + position
    tokenizer characters  ${text} }`;
  const module = "train" as const;
  const compiled = { module, ...(options && { options }) };
  const divided = await compileSmall(source, { ...compiled, cut: true });
  const { parts, entries } = divided.manifest.modules.train!;
  expect(parts!.length).toBe(2);
  expect(entries[0]!.runs!.map(({ part, entry }) => `${part}.${entry}`)).toEqual(runs);

  const one = await open(await compileSmall(source, compiled), { module });
  const [alone, shared] = [await open(divided, { module }, 1), await open(divided, { module }, 2)];
  expect(await trained(alone, 1, rows)).toBe(await trained(one, 1, rows));
  await handOver(one, shared);
  await handOver(alone, one);
  const later = await trained(one, 3, rows);
  for (const model of [alone, shared]) expect(await trained(model, 3, rows)).toBe(later);
}

/** What two updates of two micro-batches say, the weights behind them, an evaluation and logits. */
async function trained(model: RunningModel, first: number, rows: DividedCase["rows"]): Promise<string> {
  const batch = (seed: number): Batch => ({
    tokens: Int32Array.from({ length: ROWS }, (_, i) => (i * 11 + seed) % 61),
    targets: Int32Array.from({ length: ROWS }, (_, i) => (i % 9 === 4 ? -1 : (i * 7 + seed) % 61)),
    ...rows,
  });
  const said: unknown[] = [];
  for (let step = first; step < first + 2; step++)
    said.push(await model.trainStep([batch(step), batch(step + 5)], { lr: 1e-2, step }));
  said.push(await model.evaluate(batch(9)), [...(await model.feed([1, 2, 3], 0))]);
  return JSON.stringify(said) + bitsOf(model);
}

/** A model goes on where another one is. */
async function handOver(from: RunningModel, to: RunningModel): Promise<void> {
  const files = memoryFiles();
  const batches = randomStream(1, "batches").state();
  const state = { step: 2, tokens: 4 * ROWS, batches, identity: {} };
  await saveCheckpoint(files, "run", from, state, 1);
  await loadNewest(files, "run", to, "all");
}
