/**
 * The three matrix products at the sizes of GPT-2's and nanoGPT's layers: forward (nn), cotangents (nt), gradients of weights (tn); on
 * real threads with the module's own barriers, beside OpenBLAS in the same run.
 *
 *   node bench/gemm.ts [--target wide] [--workers 1,2] [--only tn:768] [--ms 400] [--no-peer] [--json]
 *
 * Every kernel is checked on a sample of its elements before it is timed. Figures are medians; `best` is what a busy machine hides.
 */
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { kernelSpec, scratchOf } from "../compiler/6-tile/kernel-spec.ts";
import { emitKernel, kernelArguments } from "../compiler/8-emit/kernel.ts";
import { prelude } from "../compiler/8-emit/prelude.ts";
import { assemble } from "../compiler/9-bundle/assemble.ts";
import { control, CONTROL_BYTES } from "../compiler/control.ts";
import { rowFloats, shapeOf, targets, tensorBytes, type Target } from "../compiler/op.ts";
import { matmul } from "../compiler/ops/matmul.ts";
import { matmul_nt } from "../compiler/ops/matmul_nt.ts";
import { matmul_tn } from "../compiler/ops/matmul_tn.ts";
import { joinPairs, noise } from "../test/harness.ts";
import { peers, Peers } from "./peers.ts";

const products = { nn: matmul, nt: matmul_nt, tn: matmul_tn } as const;
type Form = keyof typeof products;

/** [rows, in, out] of linear layers: GPT-2 124M at 256 rows; nanoGPT's CPU configuration; a 10M-parameter model at 2048 rows; GPT-2's vocabulary. */
const layers = [
  [256, 768, 768], [256, 768, 2304], [256, 768, 3072], [256, 3072, 768], [768, 128, 384], [768, 128, 512], [768, 512, 128],
  [2048, 384, 1152], [2048, 384, 1536],
] as const;
/** "nn:MxKxN", as the peer's script has it. */
const shapes: readonly string[] = [
  ...layers.map(([rows, width, out]) => `nn:${rows}x${width}x${out}`), ...layers.map(([rows, width, out]) => `nt:${rows}x${out}x${width}`),
  ...layers.map(([rows, width, out]) => `tn:${width}x${rows}x${out}`), "nt:128x768x50257", "nn:128x50257x768", "tn:50257x128x768", "nn:1x768x3072", "nt:1x768x50257",
];

const MOST_WORKERS = 8;
const ROUND_MS = 10; // waking the other threads takes 0.1

interface Job {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly worker: number;
}
type Repeat = (times: number, worker: number) => void;
const repeatOf = ({ module, memory }: Omit<Job, "worker">): Repeat => new WebAssembly.Instance(module, { env: { memory, abort() {} } }).exports.repeat as Repeat;

if (isMainThread) await main();
else {
  const { worker, ...job } = workerData as Job, repeat = repeatOf(job);
  parentPort!.on("message", (times: number) => repeat(times, worker));
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: {
    target: { type: "string", default: "wide" }, workers: { type: "string", default: "1,2" }, only: { type: "string", default: "" },
    ms: { type: "string", default: "400" }, "no-peer": { type: "boolean", default: false }, json: { type: "boolean", default: false },
  } });
  const target = targets.find((t) => t === values.target), ms = Number(values.ms), workerCounts = values.workers.split(",").map(Number);
  if (!target) throw new Error(`no target ${values.target}: ${targets.join(", ")}`);
  const wanted = values.only.includes("x") ? [values.only] : shapes.filter((s) => s.includes(values.only));
  const blas = new Peers((line) => console.log(line)), rows = [];
  if (!values["no-peer"]) await blas.look(peers.filter((p) => p.products === "all"));
  const peer = blas.here("sgemm")[0], about = blas.states()[0];
  if (!values.json) console.log(`${target}; GFLOP/s: ours median, best | ${about?.about ?? about?.missing ?? "no peer"}: median, best | ratio of medians`);
  for (const shape of wanted) for (const workers of workerCounts) {
    const own = await time(shape, target, workers, ms), theirs = peer && (await blas.ask(peer, "sgemm", shape, shape, workers, ms))[0];
    rows.push({ shape, target, workers, ...own, ...(theirs && { peer: theirs.median, peerBest: theirs.best, ratio: own.median / theirs.median }) });
    const line = [shape.padEnd(20), `${workers}`, own.median.toFixed(1).padStart(7), own.best.toFixed(1).padStart(7)];
    if (theirs) line.push("|", theirs.median.toFixed(1).padStart(7), theirs.best.toFixed(1).padStart(7), "|", `× ${(own.median / theirs.median).toFixed(2)}`);
    if (!values.json) console.log(line.join("  "));
  }
  await blas.closeAll();
  if (values.json) console.log(JSON.stringify(rows));
}

interface Compiled extends Omit<Job, "worker"> {
  readonly flops: number;
  check(): void;
}

async function compile(shape: string, target: Target, workers: number): Promise<Compiled> {
  const [form, M, K, N] = shape.split(/[:x]/).map((s, i) => (i === 0 ? s : Number(s))) as [Form, number, number, number];
  const op = products[form], spec = kernelSpec(op.kind, op, { M, K, N }, {}, [], target), slots = op.tensors.filter((t) => spec.tensors.includes(t.name));
  const at: Record<string, number> = {}, scratchBytes = Math.ceil(scratchOf(spec) / 64) * 64;
  let top = CONTROL_BYTES;
  for (const t of slots) { at[t.name] = top; top += tensorBytes(shapeOf(t, spec.d)); }
  const pages = Math.ceil((top + scratchBytes * MOST_WORKERS) / 65536), helpers = new Map<string, string>(), kernel = emitKernel("product", spec, helpers);
  const tensors = slots.map((t) => `${at[t.name]}`);
  const call = kernelArguments(spec, { tensors, scratches: `${top}`, accumulate: "false", turn: `${control.turns}`, worker: "worker" });
  const source = [prelude(target), `const SCRATCH_BYTES: usize = ${scratchBytes};`, ...helpers.values(), kernel,
    `export function repeat(times: i32, worker: i32): void { for (let i = 0; i < times; i++) { product(${call}); barrier(); } }`].join("\n");
  const { wasm } = await assemble(source, target, pages);
  joinPairs(target);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), f32 = new Float32Array(memory.buffer), next = noise(7);
  new Int32Array(memory.buffer)[control.workers / 4] = workers;
  for (const t of slots) if (!t.output) fill(f32, at[t.name]! / 4, shapeOf(t, spec.d), next);
  const element = (name: string, row: number, column: number, columns: number): number => f32[at[name]! / 4 + row * rowFloats(columns) + column]!;
  const check = (): void => {
    for (let sample = 0; sample < 200; sample++) {
      const m = (sample * 7919) % M, n = (sample * 104729) % N;
      let sum = 0;
      for (let k = 0; k < K; k++) sum += (form === "tn" ? element("a", k, m, M) : element("a", m, k, K)) * (form === "nt" ? element("b", n, k, K) : element("b", k, n, N));
      const got = element("out", m, n, N);
      if (!(Math.abs(got - sum) <= 1e-5 * Math.max(1, K / 1024) + 1e-4 * Math.abs(sum))) throw new Error(`${shape} ${target}: out[${m},${n}] is ${got}, should be ${sum}`);
    }
  };
  return { module: new WebAssembly.Module(wasm), memory, flops: op.flops(spec.d, {}), check };
}

function fill(f32: Float32Array, from: number, shape: readonly number[], next: () => number): void {
  const columns = shape.at(-1)!, rows = shape[0]!;
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) f32[from + r * rowFloats(columns) + c] = next();
}

async function time(shape: string, target: Target, workers: number, ms: number): Promise<{ median: number; best: number }> {
  const { check, flops, ...job } = await compile(shape, target, workers), repeat = repeatOf(job);
  const others = Array.from({ length: workers - 1 }, (_, i) => new Worker(new URL(import.meta.url), { workerData: { ...job, worker: i + 1 } satisfies Job }));
  const run = (times: number): number => {
    for (const w of others) w.postMessage(times);
    const start = performance.now();
    repeat(times, 0);
    return performance.now() - start;
  };
  run(1);
  check();
  let warm = 1;
  for (const end = performance.now() + ms / 2; performance.now() < end; warm++) run(1); // until the optimised code is there
  const once = Math.min(...[1, 2, 3].map(() => run(1))), times = Math.ceil(ROUND_MS / once), rates: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end || rates.length < 5;) {
    if (workers > 1) await new Promise((resolve) => setTimeout(resolve));
    rates.push((flops * times) / run(times) / 1e6);
  }
  for (const w of others) await w.terminate();
  rates.sort((a, b) => a - b);
  return { median: rates[rates.length >> 1]!, best: rates.at(-1)! };
}
