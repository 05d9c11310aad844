/**
 * Whole training steps (forward, backward, clipping, AdamW) through the real runtime: tokens per second by
 * size, target and workers.
 */
import { compileModel } from "../../compiler/compile.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { Bundle } from "../../runtime/engine/bundle.ts";
import { createModel, type Batch, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import type { Limits } from "../measure/limits.ts";
import { joinPairs, noise } from "../measure/kernel-numbers.ts";
import { benchModel } from "./bench-models.ts";

export interface TrainRow {
  readonly size: string;
  readonly target: Target;
  readonly workers: number;
  /** Tokens per second: of the median step, and of the fastest. */
  readonly tokensPerSecond: number;
  readonly best: number;
  readonly steps: number;
  readonly gflops: number;
  /** Model FLOPs utilisation: share of the measured multiply-add rate of as many workers. */
  readonly mfu: number;
}

export interface TrainBenchOptions {
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly limits: Limits;
  /** Milliseconds per measurement, warm-up apart. */
  readonly ms: number;
}

export async function* benchTraining(size: string, o: TrainBenchOptions): AsyncGenerator<TrainRow> {
  const bundle = await compileModel(benchModel(size), { targets: o.targets, modules: ["train"] });
  for (const target of o.targets)
    for (const workers of o.workers)
      yield { size, target, workers, ...(await measure(bundle, target, workers, o)) };
}

type Measured = Omit<TrainRow, "size" | "target" | "workers">;

async function measure(
  bundle: Bundle,
  target: Target,
  workers: number,
  { ms, limits }: TrainBenchOptions,
): Promise<Measured> {
  joinPairs(target); // also off: `relaxed` is to be measured with 128 bits
  const model = await createModel(bundle, "train", { host: nodeHost, workers, target, seed: 1 });
  try {
    const { flops, batch, context } = model.entry("train");
    const times = await stepTimes(model, batchesFor(model), ms);
    const median = times.sort((a, b) => a - b)[times.length >> 1]!;
    const tokens = batch * context;
    return {
      tokensPerSecond: (1000 * tokens) / median,
      best: (1000 * tokens) / times[0]!,
      steps: times.length,
      gflops: flops / median / 1e6,
      mfu: flops / median / 1e6 / limits.fma[target]![workers]!,
    };
  } finally {
    await model.close();
  }
}

/** Random tokens: the arithmetic does not depend on them. */
function batchesFor(model: RunningModel): Batch[] {
  const { batch, context } = model.entry("train");
  const { vocab } = model.manifest.model.sizes;
  const next = noise(7);
  const ids = (): Int32Array =>
    Int32Array.from({ length: batch * context }, () => Math.floor((next() + 1) * 0.49999 * vocab));
  return Array.from({ length: 8 }, () => ({ tokens: ids(), targets: ids() }));
}

/**
 * Milliseconds of each step after the first two, for at least `ms` and five steps. Throws when a loss is not
 * a number.
 */
async function stepTimes(model: RunningModel, batches: readonly Batch[], ms: number): Promise<number[]> {
  const times: number[] = [];
  for (let step = 1, until = performance.now() + ms; times.length < 5 || performance.now() < until; step++) {
    const began = performance.now();
    const { loss, norm } = await model.trainStep([batches[step % batches.length]!], { lr: 1e-3, step });
    if (!Number.isFinite(loss) || !Number.isFinite(norm))
      throw new Error(`step ${step}: loss ${loss}, norm ${norm}: not timed`);
    if (step > 2) times.push(performance.now() - began);
    else until = performance.now() + ms;
  }
  return times;
}
