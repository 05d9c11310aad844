/**
 * Every operation × its cases × targets, one worker, optimised code from the first call. A kernel is compared with its f64 reference
 * before it is timed: nothing wrong has a speed.
 *
 * Share of the limit = the time that the measured bandwidth and multiply-add rate allow ÷ the time taken. Tensors that stay in a
 * cache can be read faster than memory: above 100 % then.
 */
import { Bench } from "tinybench";
import { shapeOf, type Case, type Op, type Target } from "../compiler/op.ts";
import { ops, type OpName } from "../compiler/ops/index.ts";
import { nodeHost } from "../runtime/node/host.ts";
import { difference, elements, inputsFor, joinPairs, kernelBenches, referenceOutputs, type Bench as KernelBench } from "../test/harness.ts";
import type { Limits } from "./limits.ts";

export interface OpRow {
  readonly op: string;
  /** "256×768×3072 gelu". */
  readonly sizes: string;
  readonly target: Target;
  readonly ms: number;
  readonly bestMs: number;
  readonly gflops: number;
  /** GB/s, every tensor counted once unless the op says otherwise. */
  readonly gbs: number;
  readonly bound: "arithmetic" | "memory";
  /** 0…1 and, in caches, above. */
  readonly ofLimit: number;
  /** Matrix products: M, K, N, for the peer. */
  readonly product?: string;
}

export interface OpBenchOptions {
  readonly targets: readonly Target[];
  readonly limits: Limits;
  /** Milliseconds per measurement. */
  readonly ms: number;
  /** Small cases too: they are the tests', and time mostly the call. */
  readonly all: boolean;
  wanted(name: string): boolean;
}

/** Sizes that only a bench can bear: GPT-2's output layer, forward and backward in a block of 128 rows, and its products for one token. */
const benchOnly: Partial<Record<OpName, readonly Case[]>> = {
  matmul: [{ d: { M: 128, K: 50257, N: 768 } }, ...[[768, 2304], [768, 3072], [3072, 768]].map(([K, N]) => ({ d: { M: 1, K: K!, N: N! } }))],
  matmul_nt: [{ d: { M: 128, K: 768, N: 50257 } }, { d: { M: 1, K: 768, N: 50257 } }],
  matmul_tn: [{ d: { M: 50257, K: 128, N: 768 } }],
};
/** Smaller tensors are there for the tests. */
const LEAST_ELEMENTS = 30_000;
/** Larger ones get a module and a memory of their own. */
const ALONE_ELEMENTS = 4e6;
/** A longer reference is computed for a few rows only. */
const MOST_REFERENCE_FLOPS = 3e8;
const SAMPLED_ROWS = 12;
/** A sample of a short kernel is as many calls as take this long. */
const LEAST_SAMPLE_MS = 0.2;

const attrsOf = (op: Op, c: Case) => ({ ...op.attrs, ...c.attrs });
const present = (op: Op, c: Case) => op.tensors.filter((t) => !t.optional || c.with?.includes(t.name));
const bytesOf = (op: Op, c: Case): number =>
  op.bytes?.(c.d, attrsOf(op, c)) ?? present(op, c).reduce((sum, t) => sum + 4 * elements(shapeOf(t, c.d)), 0);
const largest = (op: Op, c: Case): number => Math.max(...present(op, c).map((t) => elements(shapeOf(t, c.d))));
const casesOf = (name: string, op: Op, all: boolean): Case[] =>
  [...op.cases.filter((c) => all || largest(op, c) >= LEAST_ELEMENTS), ...(benchOnly[name as OpName] ?? [])];

/** "256×768×3072 bias gelu": dimensions in the signature's order, then what else makes this case. */
export function caseName(op: Op, c: Case): string {
  const special = Object.entries(c.attrs ?? {}).filter(([key, value]) => value !== op.attrs?.[key]);
  const attributes = special.map(([key, value]) => (typeof value === "string" ? value : `${key}=${value}`));
  return [Object.values(c.d).join("×"), ...attributes, ...(c.with ?? [])].join(" ");
}

export const opBenchNames = (all: boolean): string[] =>
  (Object.entries(ops) as [string, Op][]).flatMap(([name, op]) => casesOf(name, op, all).map((c) => `${name} ${caseName(op, c)}`));

/** Rows as they are measured. Throws when a kernel is wrong. */
export async function* benchOps(o: OpBenchOptions): AsyncGenerator<OpRow> {
  for (const [name, op] of Object.entries(ops) as [string, Op][]) {
    const cases = casesOf(name, op, o.all).filter((c) => o.wanted(`${name} ${caseName(op, c)}`));
    const together = cases.filter((c) => largest(op, c) < ALONE_ELEMENTS), alone = cases.filter((c) => !together.includes(c));
    for (const group of [together, ...alone.map((c) => [c])]) if (group.length > 0) yield* benchCases(name, op, group, o);
  }
}

async function* benchCases(name: string, op: Op, cases: readonly Case[], o: OpBenchOptions): AsyncGenerator<OpRow> {
  const kernels: KernelBench[][] = [];
  for (const target of o.targets) kernels.push(await kernelBenches(name, op, cases, target, optimised(target)));
  for (const [i, c] of cases.entries()) {
    const inputs = inputsFor(op, c), check = checker(name, op, c, inputs);
    for (const [t, target] of o.targets.entries()) {
      const kernel = kernels[t]![i]!;
      check(kernel.run(inputs), target);
      yield { op: name, sizes: caseName(op, c), target, ...rates(op, c, target, o.limits, await time(kernel, o.ms)) };
    }
  }
}

const optimised = (target: Target) => (bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module => {
  joinPairs(target);
  return nodeHost.compile(bytes);
};

type Tensors = Readonly<Record<string, Float64Array>>;

/** Compares outputs with the reference, which is computed once for all targets; of large products a few rows. */
function checker(name: string, op: Op, c: Case, inputs: Tensors): (got: Tensors, target: Target) => void {
  const state = Object.fromEntries(Object.entries(op.mutates ?? {}).map(([out, from]) => [out, inputs[from!]!]));
  const letter = op.flops(c.d, attrsOf(op, c)) > MOST_REFERENCE_FLOPS ? independentLetter(op, c) : undefined;
  const few = letter === undefined ? (t: Tensors) => t : (t: Tensors) => rowsOf(op, c, t, letter);
  const sampled = letter === undefined ? c : { ...c, d: { ...c.d, [letter]: Math.min(SAMPLED_ROWS, c.d[letter]!) } };
  const reference = referenceOutputs(op, sampled, few(inputs), false, state);
  return (got, target) => {
    for (const [tensor, values] of Object.entries(few(got))) {
      const { worst, nmse } = difference(values, reference[tensor]!);
      // A sum of 50,257 products is rounded to its own size, also where it comes out as nearly nothing.
      const rms = Math.sqrt(reference[tensor]!.reduce((sum, v) => sum + v * v, 0) / values.length);
      if (worst <= Math.max(1, rms) && nmse <= 1e-7) continue;
      throw new Error(`${name} ${caseName(op, c)} ${target}: ${tensor} is wrong (NMSE ${nmse}): not timed`);
    }
  };
}

/** A dimension of the output along which nothing is summed and nothing depends on its neighbours: rows of a product. */
function independentLetter(op: Op, c: Case): string | undefined {
  const [out] = op.tensors.filter((t) => t.output), letter = out!.letters[0]!;
  return op.kind === "contract" && present(op, c).some((t) => !t.output && t.letters.includes(letter)) ? letter : undefined;
}

/** Of every tensor with `letter`: the same few indices along it, spread from the first to the last. */
function rowsOf(op: Op, c: Case, tensors: Tensors, letter: string): Tensors {
  const length = c.d[letter]!, count = Math.min(SAMPLED_ROWS, length);
  const chosen = Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / Math.max(1, count - 1)));
  return Object.fromEntries(Object.entries(tensors).map(([name, values]) => {
    const { letters } = op.tensors.find((t) => t.name === name)!, axis = letters.indexOf(letter);
    if (axis < 0) return [name, values];
    const inner = letters.slice(axis + 1).reduce((n, l) => n * c.d[l]!, 1), outer = values.length / (inner * length);
    const picked = new Float64Array(outer * count * inner);
    for (let o = 0; o < outer; o++)
      for (const [k, index] of chosen.entries())
        picked.set(values.subarray((o * length + index) * inner, (o * length + index + 1) * inner), (o * count + k) * inner);
    return [name, picked];
  }));
}

interface Timing {
  readonly ms: number;
  readonly bestMs: number;
}

async function time(kernel: KernelBench, ms: number): Promise<Timing> {
  kernel.repeat(1);
  const began = performance.now();
  kernel.repeat(1);
  const calls = Math.max(1, Math.ceil(LEAST_SAMPLE_MS / Math.max(performance.now() - began, 1e-3)));
  const bench = new Bench({ time: ms, warmupTime: ms / 3, iterations: 5, warmupIterations: 1 }).add("kernel", () => kernel.repeat(calls));
  await bench.run();
  const { result } = bench.tasks[0]!;
  if (!("latency" in result)) throw new Error(`the bench did not run: ${result.state}`);
  return { ms: result.latency.p50 / calls, bestMs: result.latency.min / calls };
}

function rates(op: Op, c: Case, target: Target, limits: Limits, { ms, bestMs }: Timing): Omit<OpRow, "op" | "sizes" | "target"> {
  const bytes = bytesOf(op, c), flops = op.flops(c.d, attrsOf(op, c));
  const atMemory = bytes / limits.read / 1e6, atArithmetic = flops / limits.fma[target]! / 1e6; // ms
  const { M, K, N } = c.d;
  return {
    ms, bestMs, gflops: flops / ms / 1e6, gbs: bytes / ms / 1e6,
    bound: atArithmetic > atMemory ? "arithmetic" : "memory", ofLimit: Math.max(atMemory, atArithmetic) / ms,
    ...(M && K && N && { product: `${M}x${K}x${N}` }),
  };
}
