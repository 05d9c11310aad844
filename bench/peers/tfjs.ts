/**
 * TensorFlow.js on its WebAssembly backend: products. It does not train transformers: kernels that gradients
 * need (for example that of gather, UnsortedSegmentSum) are missing from the backend.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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

interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Tf {
  setBackend(name: string): Promise<boolean>;
  tensor2d(values: Float32Array, shape: readonly number[]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor;
  readonly version_core: string;
}
interface WasmBackend {
  setWasmPaths(folder: string): void;
  setThreadsCount(threads: number): void;
  getThreadsCount(): number;
}

const require = createRequire(import.meta.url);
let tf: Tf;
let backend: WasmBackend;
let ready: Promise<boolean> | undefined;

async function load(): Promise<About> {
  tf = require("@tensorflow/tfjs-core") as Tf;
  backend = require("@tensorflow/tfjs-backend-wasm") as WasmBackend;
  backend.setWasmPaths(
    `${join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "wasm-out")}/`,
  );
  return { about: `tfjs ${tf.version_core}, WebAssembly backend`, vectors: WASM_VECTORS };
}

async function sgemm({ which, threads, seconds }: Request): Promise<Rate[]> {
  if (!ready) {
    backend.setThreadsCount(threads); // before the backend starts
    ready = tf.setBackend("wasm");
  }
  if (!(await ready)) throw new Error("its WebAssembly backend does not start here");
  const p = productOf(which);
  const values = [numbers(p.M * p.K, 1), numbers(p.K * p.N, 2)] as const;
  const a = tf.tensor2d(values[0], p.a);
  const b = tf.tensor2d(values[1], p.b);
  // the call is done when it returns: the threads meet inside
  const multiply = (): Tensor => tf.matMul(a, b, p.form === "tn", p.form === "nt");
  const first = multiply();
  checkProduct(p, ...values, await first.data());
  first.dispose();
  const times = await durations(async () => multiply().dispose(), seconds);
  a.dispose();
  b.dispose();
  return [rate(p.gflop, times)];
}

await serve(load, (request) => {
  if (request.what === "sgemm") return sgemm(request);
  throw new Error(`tfjs does not ${request.what}`);
});
