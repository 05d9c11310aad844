/**
 * ONNX Runtime, native (`node onnxruntime.ts node`) or as WebAssembly (`… web`): products, and GPT-2's
 * prefill and decode from a folder with model.onnx, weights.bin, expected.bin and facts.json, as
 * bench/suite/onnx-folder.ts writes it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { likeliestToken } from "../../runtime/sample/logprobs.ts";
import { FLOAT, model as onnxModel, node, value } from "./onnx.ts";
import { pastNames, presentName } from "./onnx-gpt2.ts";
import {
  checkProduct,
  durations,
  numbers,
  productOf,
  rate,
  serve,
  type Rate,
  type Request,
  WASM_VECTORS,
  type About,
} from "./serve.ts";

export interface Facts {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly vocab: number;
  readonly prompt: readonly number[];
  /** The tokens that follow the prompt, one by one. */
  readonly next: readonly number[];
}

interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}
type Feeds = Readonly<Record<string, OrtTensor>>;
interface Session {
  run(feeds: Feeds): Promise<Feeds>;
  release(): Promise<void>;
}
interface Ort {
  readonly InferenceSession: { create(model: string | Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (
    type: "float32" | "int64",
    data: Float32Array | BigInt64Array,
    dims: readonly number[],
  ) => OrtTensor;
  readonly env: { readonly wasm: { numThreads?: number }; readonly versions: { readonly common: string } };
}

const kind = process.argv[2] === "web" ? "web" : "node";
const name = `onnxruntime-${kind}`;
let ort: Ort;

async function load(): Promise<About> {
  ort = ((await import(name)) as { default?: Ort } & Ort).default ?? ((await import(name)) as Ort);
  const about = `${name} ${ort.env.versions.common}${kind === "web" ? " (WebAssembly)" : " (native)"}`;
  const vectors = kind === "web" ? WASM_VECTORS : processorVectors();
  return { about, ...(vectors !== undefined && { vectors }) };
}

/**
 * The native library asks the processor, takes the widest vectors that it has, and does not say so. Undefined
 * where Linux does not tell what the processor has.
 */
function processorVectors(): string | undefined {
  try {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" "));
    const integers = flags.has("avx512_vnni") ? ", VNNI" : "";
    return flags.has("avx512f") ? `AVX-512${integers}` : flags.has("avx2") ? "AVX2" : undefined;
  } catch {
    return undefined;
  }
}

/** WebAssembly's threads are chosen once per process: the caller starts one for each number. */
function options(threads: number): object {
  if (kind === "web") ort.env.wasm.numThreads = threads;
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    ...(kind === "web" && { executionProviders: ["wasm"] }),
  };
}

async function sgemm({ which, threads, seconds }: Request): Promise<Rate[]> {
  const p = productOf(which);
  const a = numbers(p.M * p.K, 1);
  const b = numbers(p.K * p.N, 2);
  const multiply =
    p.form === "nn"
      ? node("MatMul", ["a", "b"], ["out"])
      : node("Gemm", ["a", "b"], ["out"], {
          transA: p.form === "tn" ? 1 : 0,
          transB: p.form === "nt" ? 1 : 0,
        });
  const graph = onnxModel("product", 17, {
    nodes: [multiply],
    initializers: [],
    inputs: [value("a", FLOAT, p.a), value("b", FLOAT, p.b)],
    outputs: [value("out", FLOAT, [p.M, p.N])],
  });
  const session = await ort.InferenceSession.create(graph, options(threads));
  const feeds = { a: new ort.Tensor("float32", a, p.a), b: new ort.Tensor("float32", b, p.b) };
  checkProduct(p, a, b, (await session.run(feeds))["out"]!.data);
  const times = await durations(() => session.run(feeds), seconds);
  await session.release();
  return [rate(p.gflop, times)];
}

async function infer({ which: folder, threads, seconds, within = Infinity }: Request): Promise<Rate[]> {
  const facts = JSON.parse(readFileSync(join(folder, "facts.json"), "utf8")) as Facts;
  const session = await openModel(folder, threads);
  const past = pastNames(facts.layers);
  const tokens = (ids: readonly number[]): OrtTensor =>
    new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
  const none = Object.fromEntries(
    past.map((key) => [
      key,
      new ort.Tensor("float32", new Float32Array(0), [1, facts.heads, 0, facts.headDim]),
    ]),
  );
  const step = async (
    ids: readonly number[],
    caches: Feeds,
  ): Promise<{ logits: Float32Array; caches: Feeds }> => {
    const out = await session.run({ tokens: tokens(ids), ...caches });
    return {
      logits: out["logits"]!.data,
      caches: Object.fromEntries(past.map((key) => [key, out[presentName(key)]!])),
    };
  };
  await checkLogits(folder, facts, none, step);
  const prefill: number[] = [];
  const decode: number[] = [];
  const start = performance.now();
  const spent = (): number => (performance.now() - start) / 1000;
  // three texts at least; but fewer, and shorter ones, where a busy machine makes them last too long
  const tooLong = (): boolean => spent() > Math.min(within, 6 * seconds + 5);
  while ((spent() < seconds || prefill.length < 3) && (prefill.length === 0 || !tooLong())) {
    let began = performance.now();
    let state = await step(facts.prompt, none);
    prefill.push(performance.now() - began);
    for (let i = 0; i < 64 && (decode.length === 0 || !tooLong()); i++) {
      began = performance.now();
      state = await step([likeliestToken(state.logits)], state.caches);
      decode.push(performance.now() - began);
    }
  }
  await session.release();
  return [rate(facts.prompt.length, prefill, "prefill"), rate(1, decode, "decode")];
}

async function openModel(folder: string, threads: number): Promise<Session> {
  const path = join(folder, "model.onnx");
  const weights = join(folder, "weights.bin");
  if (kind === "node") return ort.InferenceSession.create(path, options(threads));
  return ort.InferenceSession.create(readFileSync(path), {
    ...options(threads),
    externalData: [{ path: "weights.bin", data: readFileSync(weights) }],
  });
}

/** Sums in another order differ by less. */
const LOGIT_TOLERANCE = 1e-3;

/**
 * Checks that the logits after the prompt, and after each following token, are those of Sinter's own kernels.
 */
async function checkLogits(
  folder: string,
  facts: Facts,
  none: Feeds,
  step: (ids: readonly number[], caches: Feeds) => Promise<{ logits: Float32Array; caches: Feeds }>,
): Promise<void> {
  const file = readFileSync(join(folder, "expected.bin"));
  const expected = new Float32Array(file.buffer, file.byteOffset, file.length / 4);
  let caches = none;
  for (const [i, ids] of [facts.prompt, ...facts.next.map((token) => [token])].entries()) {
    const state = await step(ids, caches);
    caches = state.caches;
    for (let v = 0; v < facts.vocab; v++) {
      const want = expected[i * facts.vocab + v]!;
      const got = state.logits[v]!;
      if (Math.abs(got - want) <= LOGIT_TOLERANCE) continue;
      const when = i === 0 ? "after the prompt" : `after token ${i} of decoding`;
      throw new Error(`${when}, logit ${v} is ${got}, not ${want}: not timed`);
    }
  }
}

await serve(load, (request) => {
  if (request.what === "sgemm") return sgemm(request);
  if (request.what === "infer") return infer(request);
  throw new Error(`${name} does not ${request.what}`);
});
