/**
 * Times whole training steps (forward, backward, clipping, AdamW) on the real runtime: tokens per second by
 * size, target and number of workers.
 */
import { compileModel } from "../../compiler/compile.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { Bundle } from "../../runtime/engine/bundle.ts";
import { createModel, type Batch, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import type { Limits } from "../measure/limits.ts";
import { joinPairs } from "../measure/kernel-numbers.ts";
import { randomBatches } from "../measure/random-tokens.ts";
import { median, ratesOf, timesOf } from "../measure/statistics.ts";
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
  joinPairs(target); // switched off too: `relaxed` is measured with 128 bits
  const model = await createModel(bundle, "train", { host: nodeHost, workers, target, seed: 1 });
  try {
    const { flops, batch, context } = model.entry("train");
    const times = await stepTimes(model, randomBatches(model), ms);
    const stepMs = median(times);
    const { gflops, ofLimit } = ratesOf({ flops, bytes: 0, ms: stepMs }, limits, target, workers);
    const tokens = batch * context;
    return {
      tokensPerSecond: (1000 * tokens) / stepMs,
      best: (1000 * tokens) / Math.min(...times),
      steps: times.length,
      gflops,
      mfu: ofLimit,
    };
  } finally {
    await model.close();
  }
}

/** Milliseconds of each step that counts. Throws when a loss is not a number. */
const stepTimes = (model: RunningModel, batches: readonly Batch[], ms: number): Promise<number[]> =>
  timesOf({ warm: 2, least: 5, ms }, async (i) => {
    const step = i + 1;
    const { loss, norm } = await model.trainStep([batches[step % batches.length]!], { lr: 1e-3, step });
    if (!Number.isFinite(loss) || !Number.isFinite(norm))
      throw new Error(`step ${step}: loss ${loss}, norm ${norm}: not timed`);
  });
