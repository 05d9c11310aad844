/**
 * Times every operation, for each of its cases, targets and numbers of workers, on the runtime's own pool,
 * with optimised code from the first call. A kernel is compared with its f64 reference first: nothing wrong
 * is timed.
 */
import { Bench } from "tinybench";
import { checker } from "../measure/kernel-check.ts";
import { kernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { kernelModule, type KernelModule } from "../measure/kernel-module.ts";
import { inputsFor } from "../measure/kernel-numbers.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { judged, type Judged, type Place } from "../measure/judged.ts";
import type { LimitMeter } from "../measure/limits.ts";
import { largest, opCases, productOf, sizesOf, workOf, type OpCase } from "./op-cases.ts";

export interface OpRow extends Judged {
  readonly op: string;
  /** "256×768×3072 gelu". */
  readonly sizes: string;
  readonly target: Target;
  readonly workers: number;
  readonly flops: number;
  readonly bytes: number;
  /** For products only: the name that peers know, "nt:MxKxN". */
  readonly product?: string;
}

export interface OpBenchOptions {
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly meter: LimitMeter;
  /** Milliseconds per measurement. */
  readonly ms: number;
  /** Small cases too. */
  readonly all: boolean;
  wanted(title: string): boolean;
  working(title: string): void;
}

/** Larger tensors get a module and a memory of their own. */
const ALONE_ELEMENTS = 4e6;
/** Kernels per module. More would make the module slow to compile and its memory large. */
const TOGETHER = 24;
/** A sample repeats a short kernel until it takes this long, since waking other threads takes 0.1 ms. */
const LEAST_SAMPLE_MS = { alone: 3, several: 6 };

/** Rows as they are measured. Throws when a kernel is wrong. */
export async function* benchOps(o: OpBenchOptions): AsyncGenerator<OpRow> {
  const cases = opCases(o.all).filter((c) => o.wanted(c.title));
  for (const name of new Set(cases.map((c) => c.name))) {
    const own = cases.filter((c) => c.name === name);
    const together = own.filter((c) => largest(c) < ALONE_ELEMENTS);
    for (let at = 0; at < together.length; at += TOGETHER)
      yield* benchTogether(together.slice(at, at + TOGETHER), o);
    for (const c of own.filter((c) => !together.includes(c))) yield* benchTogether([c], o);
  }
}

async function* benchTogether(cases: readonly OpCase[], o: OpBenchOptions): AsyncGenerator<OpRow> {
  const modules = new Map<Target, KernelModule>();
  const most = Math.max(...o.workers);
  try {
    o.working(cases[0]!.title);
    for (const target of o.targets)
      modules.set(
        target,
        await kernelModule(
          cases.map(({ name, op, c }) => kernelSpec(name, op, c.d, c.attrs ?? {}, c.with ?? [], target)),
          target,
          most,
        ),
      );
    for (const [i, each] of cases.entries()) {
      o.working(each.title);
      const inputs = inputsFor(each.op, each.c);
      const wrong = checker(each.op, each.c, inputs);
      for (const [target, module] of modules)
        for (const workers of o.workers) {
          module.load(i, inputs);
          const said = wrong(await module.run(i, workers));
          if (said) throw new Error(`${each.title} ${target} on ${workers} workers: ${said}: not timed`);
          yield await row(each, { meter: o.meter, target, workers }, () => time(module, i, workers, o.ms));
        }
    }
  } finally {
    for (const module of modules.values()) await module.close();
  }
}

/** Milliseconds of one call, in samples of several calls. */
async function time(module: KernelModule, kernel: number, workers: number, ms: number): Promise<number[]> {
  await module.repeat(kernel, workers, 2);
  const least = workers > 1 ? LEAST_SAMPLE_MS.several : LEAST_SAMPLE_MS.alone;
  const once = (await module.repeat(kernel, workers, 2)) / 2;
  const calls = Math.max(1, Math.ceil(least / Math.max(once, 1e-4)));
  const sampling = { time: ms, warmupTime: ms / 3, iterations: 5, warmupIterations: 1, retainSamples: true };
  const bench = new Bench(sampling).add("kernel", async () => {
    await module.repeat(kernel, workers, calls);
  });
  await bench.run();
  const { result } = bench.tasks[0]!;
  if (!("latency" in result)) throw new Error(`the bench did not run: ${result.state}`);
  return result.latency.samples!.map((sample) => sample / calls);
}

async function row(each: OpCase, place: Place, measure: () => Promise<readonly number[]>): Promise<OpRow> {
  const work = workOf(each);
  const product = productOf(each);
  const [found] = await judged(place, [work], async () => [await measure()]);
  const { target, workers } = place;
  return {
    op: each.name,
    sizes: sizesOf(each),
    target,
    workers,
    flops: work.flops,
    bytes: work.bytes,
    ...found!,
    ...(product && { product }),
  };
}
