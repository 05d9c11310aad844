/**
 * The module that measures and checks a target: one register tile of a matrix multiplication, written
 * straight as WebAssembly's bytes.
 *
 *   a[rows] b[K, 4·vectors] -> c[rows, 4·vectors]     c_ij = Σ_k a_i · b_kj, `times` times over
 *
 * It has three kinds: `simd` multiplies and adds, `relaxed` fuses both, `wide` is `relaxed` in a shape that
 * V8 can join into 256-bit operations (see Host.enableWide).
 */
import type { Target } from "../contract/targets.ts";

/** Rows of the tile, and vectors of 4 floats in a row. */
export const PROBE_ROWS = { simd: 4, relaxed: 4, wide: 6 } as const;
export const PROBE_VECTORS = { simd: 2, relaxed: 2, wide: 4 } as const;
/** Rows of b: at most 4 KiB, which stay in the first-level cache. */
export const PROBE_K = 64;
/** Bytes from one row of b to the next, whatever the kind. */
const B_ROW_BYTES = 64;

/** Where a, b and c begin in the memory, in bytes. */
export const PROBE_A = 0;
export const PROBE_B = 1024;
export const PROBE_C = PROBE_B + PROBE_K * B_ROW_BYTES;

const MAGIC = [0, 0x61, 0x73, 0x6d]; // "\0asm"
const VERSION = [1, 0, 0, 0];

// types
const I32 = 0x7f;
const V128 = 0x7b;
const VOID_BLOCK = 0x40;
// instructions
const LOOP = 0x03;
const END = 0x0b;
const BR_IF = 0x0d;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const I32_CONST = 0x41;
const I32_LT_S = 0x48;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const SIMD_PREFIX = 0xfd;
// instructions behind the prefix
const V128_LOAD = 0;
const V128_LOAD32_SPLAT = 9;
const V128_STORE = 11;
const F32X4_ADD = 0xe4;
const F32X4_MUL = 0xe6;
const F32X4_RELAXED_MADD = 0x105;
// sections
const TYPE = 1;
const FUNCTION = 3;
const MEMORY = 5;
const EXPORT = 7;
const CODE = 10;

/** LEB128, without and with a sign. */
const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]);
const signedLeb = (v: number): number[] =>
  v >= -64 && v < 64 ? [v & 127] : [(v & 127) | 128, ...signedLeb(v >> 7)];
const section = (id: number, body: number[]): number[] => [id, ...leb(body.length), ...body];
const vec = (items: number[][]): number[] => [...leb(items.length), ...items.flat()];
const name = (text: string): number[] => [...leb(text.length), ...new TextEncoder().encode(text)];
const simd = (opcode: number): number[] => [SIMD_PREFIX, ...leb(opcode)];
/** A load or store, of an address aligned to 4 bytes. */
const access = (opcode: number, offset: number): number[] => [...simd(opcode), 2, ...leb(offset)];
const get = (local: number): number[] => [LOCAL_GET, ...leb(local)];
const set = (local: number): number[] => [LOCAL_SET, ...leb(local)];
const tee = (local: number): number[] => [LOCAL_TEE, ...leb(local)];
const i32 = (value: number): number[] => [I32_CONST, ...signedLeb(value)];

/** The function's locals: how many times are left, the address of a row of b, a's number, b's vectors, c. */
const TIMES = 0;
const ROW = 1;
const SPLAT = 2;
const bVector = (v: number): number => 3 + v;
const accumulator = (target: Target, r: number, v: number): number =>
  3 + PROBE_VECTORS[target] + r * PROBE_VECTORS[target] + v;

/** The module's bytes. It exports its memory "m" and run(times). */
export function probeBytes(target: Target): Uint8Array<ArrayBuffer> {
  const vectors = PROBE_VECTORS[target];
  const locals = [
    [1, I32],
    [...leb(1 + vectors + PROBE_ROWS[target] * vectors), V128],
  ];
  const code = [...vec(locals), ...timesLoop(target), ...stores(target), END];
  return new Uint8Array([
    ...MAGIC,
    ...VERSION,
    ...section(TYPE, vec([[0x60, ...vec([[I32]]), 0]])), // (i32) -> ()
    ...section(FUNCTION, vec([[0]])),
    ...section(MEMORY, vec([[0, 1]])), // one page
    ...section(
      EXPORT,
      vec([
        [...name("m"), 2, 0],
        [...name("run"), 0, 0],
      ]),
    ),
    ...section(CODE, vec([[...leb(code.length), ...code]])),
  ]);
}

/** A loop that ends when the condition, the last thing that its body leaves, is 0. */
const loopWhile = (body: number[]): number[] => [LOOP, VOID_BLOCK, ...body, BR_IF, 0, END];

/** do { for each row of b: the tile } while (--times) */
function timesLoop(target: Target): number[] {
  const nextRow = [...get(ROW), ...i32(B_ROW_BYTES), I32_ADD, ...tee(ROW)];
  const isRow = [...nextRow, ...i32(PROBE_K * B_ROW_BYTES), I32_LT_S];
  const timesLeft = [...get(TIMES), ...i32(1), I32_SUB, ...tee(TIMES)];
  const rows = loopWhile([...tile(target), ...isRow]);
  return loopWhile([...i32(0), ...set(ROW), ...rows, ...timesLeft]);
}

/** c_ij += a_i · b_kj for the row of b at hand. */
function tile(target: Target): number[] {
  const code: number[] = [];
  for (let v = 0; v < PROBE_VECTORS[target]; v++)
    code.push(...get(ROW), ...access(V128_LOAD, PROBE_B + v * 16), ...set(bVector(v)));
  for (let r = 0; r < PROBE_ROWS[target]; r++) {
    code.push(...i32(0), ...access(V128_LOAD32_SPLAT, PROBE_A + r * 4), ...set(SPLAT));
    for (let v = 0; v < PROBE_VECTORS[target]; v++)
      code.push(...multiplyAdd(target, bVector(v), accumulator(target, r, v)));
  }
  return code;
}

const multiplyAdd = (target: Target, b: number, c: number): number[] =>
  target === "simd"
    ? [...get(SPLAT), ...get(b), ...simd(F32X4_MUL), ...get(c), ...simd(F32X4_ADD), ...set(c)]
    : [...get(SPLAT), ...get(b), ...get(c), ...simd(F32X4_RELAXED_MADD), ...set(c)];

function stores(target: Target): number[] {
  const vectors = PROBE_VECTORS[target];
  const code: number[] = [];
  for (let r = 0; r < PROBE_ROWS[target]; r++)
    for (let v = 0; v < vectors; v++) {
      const address = PROBE_C + (r * vectors + v) * 16;
      code.push(...i32(0), ...get(accumulator(target, r, v)), ...access(V128_STORE, address));
    }
  return code;
}
