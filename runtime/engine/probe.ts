/**
 * What this machine's vector unit can do: one register tile of a matrix multiplication, written straight as
 * WebAssembly.
 *
 *   a[6] b[K,16] -> c[6,16]     c_ij = Σ_k a_i · b_kj, `times` times over
 *
 * Three kinds: `simd` multiplies and adds, `relaxed` fuses both, `wide` is `relaxed` in a shape that V8 can
 * join into 256-bit operations (see enableWide). Used to detect features, to see whether `wide` computes
 * right and pays, and as the peak of MFU.
 */
import type { Target } from "../contract/targets.ts";
import type { Host } from "./host.ts";

const ROWS = { simd: 4, relaxed: 4, wide: 6 } as const;
const VECTORS = { simd: 2, relaxed: 2, wide: 4 } as const; // of 4 floats, per row
const K = 64; // b is 4 KiB at the most: in the first-level cache
const A = 0;
const B = 1024;
const C = B + K * 64;

const I32 = 0x7f;
const V128 = 0x7b;
const VOID_BLOCK = 0x40;

const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]);
const section = (id: number, body: number[]): number[] => [id, ...leb(body.length), ...body];
const vec = (items: number[][]): number[] => [...leb(items.length), ...items.flat()];
const name = (text: string): number[] => [...leb(text.length), ...new TextEncoder().encode(text)];
const simd = (opcode: number): number[] => [0xfd, ...leb(opcode)];
const access = (opcode: number, offset: number): number[] => [...simd(opcode), 2, ...leb(offset)];
const get = (local: number): number[] => [0x20, ...leb(local)];
const set = (local: number): number[] => [0x21, ...leb(local)];
const i32 = (value: number): number[] => [0x41, ...signedLeb(value)];
const signedLeb = (v: number): number[] =>
  v >= -64 && v < 64 ? [v & 127] : [(v & 127) | 128, ...signedLeb(v >> 7)];

/** The module's bytes. Exports memory "m" and run(times). */
export function probeBytes(target: Target): Uint8Array<ArrayBuffer> {
  const rows = ROWS[target];
  const vectors = VECTORS[target];
  const times = 0;
  const k = 1;
  const splat = 2;
  const first = 3 + vectors; // locals: times, k, a's splat, b's vectors, accumulators
  const fused = target === "simd" ? [] : simd(0x105); // f32x4.relaxed_madd
  const tile: number[] = [];
  // v128.load
  for (let v = 0; v < vectors; v++) tile.push(...get(k), ...access(0, B + v * 16), ...set(3 + v));
  for (let r = 0; r < rows; r++) {
    tile.push(...i32(0), ...access(9, A + r * 4), ...set(splat)); // v128.load32_splat
    for (let v = 0; v < vectors; v++) {
      const c = first + r * vectors + v;
      tile.push(
        ...(target === "simd"
          ? [...get(splat), ...get(3 + v), ...simd(0xe6), ...get(c), ...simd(0xe4)] // f32x4.mul, f32x4.add
          : [...get(splat), ...get(3 + v), ...get(c), ...fused]),
        ...set(c),
      );
    }
  }
  // k += 64; br_if k < end
  const inner = [...tile, ...get(k), ...i32(64), 0x6a, 0x22, ...leb(k), ...i32(K * 64), 0x48, 0x0d, 0];
  const outer = [
    ...i32(0),
    ...set(k),
    0x03,
    VOID_BLOCK,
    ...inner,
    0x0b,
    ...get(times),
    ...i32(1),
    0x6b,
    0x22,
    ...leb(times),
    0x0d,
    0,
  ];
  const stores: number[] = [];
  for (let i = 0; i < rows * vectors; i++)
    stores.push(...i32(0), ...get(first + i), ...access(11, C + i * 16)); // v128.store
  const code = [
    ...vec([
      [1, I32],
      [...leb(1 + vectors + rows * vectors), V128],
    ]),
    0x03,
    VOID_BLOCK,
    ...outer,
    0x0b,
    ...stores,
    0x0b,
  ];
  return new Uint8Array([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, vec([[0x60, ...vec([[I32]]), 0]])), // type: (i32) -> ()
    ...section(3, vec([[0]])),
    ...section(5, vec([[0, 1]])), // one page
    ...section(
      7,
      vec([
        [...name("m"), 2, 0],
        [...name("run"), 0, 0],
      ]),
    ),
    ...section(10, vec([[...leb(code.length), ...code]])),
  ]);
}

export interface Probe {
  /** The result agrees with the same sums in JavaScript. */
  readonly right: boolean;
  readonly gflops: number;
}

/**
 * However long it takes: on a busy machine, a few milliseconds may hold one run that was held up and no
 * other.
 */
const LEAST_RUNS = 24;

/**
 * The best of many short runs, in `ms` milliseconds or more: the machine may be busy with other things, and
 * what is chosen by it must not depend on that. Undefined: the engine does not know the instructions.
 */
export async function probe(target: Target, ms: number, host: Host): Promise<Probe | undefined> {
  const bytes = probeBytes(target);
  if (!WebAssembly.validate(bytes)) return undefined;
  const exports = new WebAssembly.Instance(host.compile(bytes)).exports as unknown as {
    m: WebAssembly.Memory;
    run(times: number): void;
  };
  const f32 = new Float32Array(exports.m.buffer);
  for (let i = 0; i < 16; i++) f32[A / 4 + i] = Math.fround(0.3 + 0.01 * i);
  for (let i = 0; i < K * 16; i++) f32[B / 4 + i] = Math.fround(Math.sin(i) / 8);
  const flopsPerTime = K * ROWS[target] * VECTORS[target] * 4 * 2;
  const times = Math.ceil(1e7 / flopsPerTime);
  let best = 0;
  for (let runs = 0, start = performance.now(); runs < LEAST_RUNS || performance.now() - start < ms; runs++) {
    const t = performance.now();
    exports.run(times);
    best = Math.max(best, (times * flopsPerTime) / (performance.now() - t) / 1e6);
    await host.breathe();
  }
  exports.run(3);
  return { right: agrees(f32, target), gflops: best };
}

function agrees(f32: Float32Array, target: Target): boolean {
  const vectors = VECTORS[target];
  for (let r = 0; r < ROWS[target]; r++)
    for (let j = 0; j < vectors * 4; j++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += f32[A / 4 + r]! * f32[B / 4 + k * 16 + j]! * 3;
      if (!(Math.abs(f32[C / 4 + r * vectors * 4 + j]! - sum) <= 1e-4)) return false;
    }
  return true;
}

/** A module that imports nothing and declares a shared memory. */
export const threadsSupported = (): boolean =>
  typeof SharedArrayBuffer === "function" &&
  WebAssembly.validate(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 4, 1, 3, 1, 1]));
