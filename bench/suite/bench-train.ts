/**
 * Times whole training steps (forward, backward, clipping, AdamW) on the real runtime: tokens per second by
 * size, target and number of workers.
 */
import { compileModel } from "../../compiler/compile.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { Bundle } from "../../runtime/engine/bundle.ts";
import { createModel, type Batch, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { judged, type Judged } from "../measure/judged.ts";
import type { LimitMeter } from "../measure/limits.ts";
import { medianOfMedians, type Processes } from "../measure/bootstrap.ts";
import { joinPairs } from "../measure/kernel-numbers.ts";
import { randomBatches } from "../measure/random-tokens.ts";
import { timesOf } from "../measure/statistics.ts";
import { benchModel } from "./bench-models.ts";

/** Its share of the limit is the model FLOPs utilisation: of the multiply-add rate of as many workers. */
export interface TrainRow extends Judged {
  readonly size: string;
  readonly target: Target;
  readonly workers: number;
  /** Tokens per second: of the median step, and of the fastest. */
  readonly tokensPerSecond: number;
  readonly best: number;
  /** The samples of each process, where there were several; all figures are of the median process then. */
  readonly processes?: Processes;
}

export interface TrainBenchOptions {
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly meter: LimitMeter;
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
  { ms, meter }: TrainBenchOptions,
): Promise<Measured> {
  joinPairs(target); // switched off too: `relaxed` is measured with 128 bits
  const model = await createModel(bundle, "train", { host: nodeHost, workers, target, seed: 1 });
  try {
    const { flops, batch, context } = model.entry("train");
    const batches = randomBatches(model);
    const [found] = await judged({ meter, target, workers }, [{ flops, bytes: 0 }], async () => [
      await stepTimes(model, batches, ms),
    ]);
    const perSecond = (stepMs: number): number => (1000 * batch * context) / stepMs;
    return { tokensPerSecond: perSecond(found!.ms), best: perSecond(found!.bestMs), ...found! };
  } finally {
    await model.close();
  }
}

/** The row with the samples of further processes. */
export function withProcesses(row: TrainRow, further: Processes): TrainRow {
  const processes = [row.samples, ...further];
  const ms = medianOfMedians(processes);
  const faster = row.ms / ms;
  return {
    ...row,
    processes,
    ms,
    bestMs: Math.min(...processes.flat()),
    tokensPerSecond: row.tokensPerSecond * faster,
    best: (row.best * row.bestMs) / Math.min(...processes.flat()),
    gflops: row.gflops * faster,
    ofLimit: row.ofLimit * faster,
  };
}

/** Milliseconds of each step that counts. Throws when a loss is not a number. */
const stepTimes = (model: RunningModel, batches: readonly Batch[], ms: number): Promise<number[]> =>
  timesOf({ warm: 2, least: 5, ms }, async (i) => {
    const step = i + 1;
    const { loss, norm } = await model.trainStep([batches[step % batches.length]!], { lr: 1e-3, step });
    if (!Number.isFinite(loss) || !Number.isFinite(norm))
      throw new Error(`step ${step}: loss ${loss}, norm ${norm}: not timed`);
  });
