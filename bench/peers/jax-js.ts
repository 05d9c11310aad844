/** jax-js on its WebAssembly backend: products. */
import { readFileSync } from "node:fs";
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

interface Array2 {
  /** jax-js frees an array when it is read, unless it has one more reference. */
  readonly ref: Array2;
  reshape(shape: readonly number[]): Array2;
  transpose(): Array2;
  blockUntilReady(): Promise<Array2>;
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Jax {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): void;
  jit(f: (a: Array2, b: Array2) => Array2): (a: Array2, b: Array2) => Array2;
  readonly numpy: { array(values: Float32Array): Array2; matmul(a: Array2, b: Array2): Array2 };
}

const name: string = "@jax-js/jax";
let jax: Jax;

async function load(): Promise<About> {
  jax = (await import(name)) as Jax;
  const devices = await jax.init("wasm");
  if (!devices.includes("wasm")) throw new Error(`no WebAssembly backend here, only ${devices.join(", ")}`);
  jax.defaultDevice("wasm");
  const { version } = JSON.parse(
    readFileSync(new URL("./node_modules/@jax-js/jax/package.json", import.meta.url), "utf8"),
  ) as { version: string };
  return { about: `jax-js ${version} (WebAssembly, threads as it chooses)`, vectors: WASM_VECTORS };
}

async function sgemm({ which, seconds }: Request): Promise<Rate[]> {
  const p = productOf(which);
  const values = [numbers(p.M * p.K, 1), numbers(p.K * p.N, 2)] as const;
  const multiply = jax.jit((x, y) =>
    jax.numpy.matmul(p.form === "tn" ? x.transpose() : x, p.form === "nt" ? y.transpose() : y),
  );
  const a = jax.numpy.array(values[0]).reshape(p.a);
  const b = jax.numpy.array(values[1]).reshape(p.b);
  checkProduct(p, ...values, await multiply(a.ref, b.ref).data());
  const times = await durations(
    async () => (await multiply(a.ref, b.ref).blockUntilReady()).dispose(),
    seconds,
  );
  a.dispose();
  b.dispose();
  return [rate(p.gflop, times)];
}

await serve(load, (request) => {
  if (request.what === "sgemm") return sgemm(request);
  throw new Error(`jax-js is not asked to ${request.what} here`);
});
