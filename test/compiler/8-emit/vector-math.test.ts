/**
 * The error bounds that 8-emit/vector-math.ts states, measured over dense ranges on every target; edges; f64
 * side against published values.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { prelude } from "../../../compiler/8-emit/prelude.ts";
import { assemble } from "../../../compiler/9-bundle/assemble.ts";
import { withSharedMemory } from "../../../runtime/contract/memory-import.ts";
import { activations, bendOf, erf, normalCdf } from "../../../compiler/ops/kit/activations.ts";
import { activations as activationNames, type Activation } from "../../../runtime/contract/model.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { joinPairs } from "../../../bench/measure/kernel-numbers.ts";

interface Bound {
  readonly f: (x: number) => number;
  readonly from: number;
  readonly to: number;
  readonly bound: number;
  /** What the error is divided by. */
  readonly per: (x: number, y: number) => number;
}
const relative = (_x: number, y: number): number => Math.abs(y);
const absolute = (): number => 1;
const scaled = (x: number): number => Math.max(Math.abs(x), 1);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const functionBounds: Readonly<Record<string, Bound>> = {
  exp4: { f: Math.exp, from: -87.3, to: 88.3, bound: 3e-7, per: relative },
  exp_low4: { f: Math.exp, from: -87.3, to: 87, bound: 3e-7, per: relative },
  tanh4: { f: Math.tanh, from: -20, to: 20, bound: 5e-7, per: relative },
  erf4: { f: erf, from: -8, to: 8, bound: 5e-7, per: relative },
  sigmoid4: { f: sigmoid, from: -87, to: 100, bound: 5e-7, per: relative },
};

/** Of a row's value, and of its bend, slope(x) − slope(0). */
type ActivationBounds = Readonly<Record<"value" | "bend", Omit<Bound, "f">>>;
const activationBounds: Readonly<Record<Activation, ActivationBounds>> = {
  relu: {
    value: { from: -9, to: 9, bound: 0, per: absolute },
    bend: { from: -9, to: 9, bound: 0, per: absolute },
  },
  relu2: {
    value: { from: -9, to: 9, bound: 1e-7, per: relative },
    bend: { from: -9, to: 9, bound: 0, per: absolute },
  },
  gelu: {
    value: { from: -100, to: 100, bound: 4e-7, per: scaled },
    bend: { from: -100, to: 100, bound: 5e-7, per: absolute },
  },
  gelu_tanh: {
    value: { from: -100, to: 100, bound: 4e-7, per: scaled },
    bend: { from: -100, to: 100, bound: 5e-7, per: absolute },
  },
  silu: {
    value: { from: -87, to: 100, bound: 5e-7, per: relative },
    bend: { from: -100, to: 100, bound: 5e-7, per: absolute },
  },
};

/** What is measured: its bound, and its code for the v128 `v`. */
interface Measured extends Bound {
  readonly emit: (v: string) => string;
}
const measured: Readonly<Record<string, Measured>> = {
  ...Object.fromEntries(
    Object.entries(functionBounds).map(([name, b]) => [name, { ...b, emit: (v: string) => `${name}(${v})` }]),
  ),
  ...Object.fromEntries(
    activationNames.flatMap((name) => {
      const row = activations[name];
      const { value, bend } = activationBounds[name];
      const ofValue = (v: string): string => row.emitValue(v, row.emitCommon(v));
      const ofBend = (v: string): string => row.emitBend(v, row.emitCommon(v));
      return [
        [name, { ...value, f: row.value, emit: ofValue }],
        [`${name}_bend`, { ...bend, f: (x: number) => bendOf(row, x), emit: ofBend }],
      ];
    }),
  ),
};

const COUNT = 1 << 15;
const IN = 65536;
const OUT = IN + 4 * COUNT;
type Map = (name: string, x: readonly number[]) => Float32Array;

async function compile(target: Target): Promise<Map> {
  const loops = Object.entries(measured).map(([name, { emit }]) =>
    `export function run_${name}(bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 32) {
    const x = v128.load(${IN} + i), y = v128.load(${IN} + i, 16);
    const lo = ${emit("x")}, hi = ${emit("y")};
    v128.store(${OUT} + i, lo);
    v128.store(${OUT} + i, hi, 16);
  }
}
export function ln_of(x: f64): f64 { return ln(x); }`.replace(
      name === "exp4" ? "" : /\nexport function ln_of.*/,
      "",
    ),
  );
  const { wasm, memoryFlagOffset } = await assemble(prelude(target) + loops.join("\n"), target, 8);
  joinPairs(target);
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8 });
  const instance = new WebAssembly.Instance(
    new WebAssembly.Module(withSharedMemory(wasm, memoryFlagOffset, false)),
    { env: { memory, abort() {} } },
  );
  const exports = instance.exports as unknown as Record<string, (n: number) => number>;
  lnOf = exports["ln_of"]!;
  return (name, x) => {
    new Float32Array(memory.buffer, IN, COUNT).fill(0).set(x);
    exports[`run_${name}`]!(4 * COUNT);
    return new Float32Array(memory.buffer, OUT, COUNT).slice(0, x.length);
  };
}
let lnOf: (x: number) => number;

/** The whole range evenly, and its small numbers on a logarithmic scale. */
function points({ from, to }: Bound): number[] {
  const even = Array.from({ length: COUNT / 2 }, (_, i) => from + ((to - from) * i) / (COUNT / 2 - 1));
  const fine = Array.from(
    { length: COUNT / 2 },
    (_, i) => (i % 2 ? -1 : 1) * 10 ** (-9 + (10 * i) / (COUNT / 2)),
  );
  return [...even, ...fine.filter((x) => x >= from && x <= to)].map(Math.fround);
}

describe.each(targets)("%s", (target) => {
  let map: Map;
  beforeAll(async () => {
    map = await compile(target);
  });

  test.each(Object.entries(measured))("%s stays within its bound", (name, b) => {
    const x = points(b);
    const y = map(name, x);
    let worst = 0;
    let at = 0;
    for (const [i, v] of x.entries()) {
      const want = b.f(v);
      const d = Math.abs(y[i]! - want);
      const error = d === 0 ? 0 : d / b.per(v, want);
      if (error <= worst) continue;
      worst = error;
      at = v;
    }
    expect(worst, `${name}(${at})`).toBeLessThanOrEqual(b.bound);
  });

  test("edges", () => {
    const edges = [0, -0, Infinity, -Infinity, NaN, -1e30, 1e30, 1e-45];
    const want: Record<string, readonly number[]> = {
      exp4: [1, 1, NaN, 0, NaN, 0, NaN, 1],
      tanh4: [0, 0, 1, -1, NaN, -1, 1, 0],
      erf4: [0, 0, 1, -1, NaN, -1, 1, 0],
      sigmoid4: [0.5, 0.5, 1, 0, NaN, 0, 1, 0.5],
      relu: [0, 0, Infinity, 0, NaN, 0, 1e30, 0],
      gelu: [0, 0, Infinity, 0, NaN, 0, 1e30, 0],
      gelu_tanh: [0, 0, Infinity, 0, NaN, 0, 1e30, 0],
      gelu_bend: [0, 0, 0.5, -0.5, NaN, -0.5, 0.5, 0],
      gelu_tanh_bend: [0, 0, 0.5, -0.5, NaN, -0.5, 0.5, 0],
    };
    for (const [name, row] of Object.entries(want)) {
      const y = map(name, edges);
      for (const [i, w] of row.entries()) {
        if (name === "exp4" && Number.isNaN(w) && !Number.isNaN(edges[i]!))
          expect(y[i], `exp4(${edges[i]})`).toBeGreaterThan(2e38); // and finite
        else if (Math.abs(w) === Infinity || Number.isNaN(w)) expect(y[i], `${name}(${edges[i]})`).toBe(w);
        else
          expect(
            Math.abs(y[i]! - w) / Math.max(1, Math.abs(w)),
            `${name}(${edges[i]}) = ${y[i]}`,
          ).toBeLessThanOrEqual(2e-6);
        if (!Number.isNaN(edges[i]!) && edges[i] !== Infinity)
          expect(Number.isFinite(y[i]), `${name}(${edges[i]})`).toBe(true);
      }
    }
    expect([...map("exp_low4", [0, -88.1, -1e30, NaN])]).toEqual([1, 0, 0, NaN]);
    for (const [name, { f }] of Object.entries(measured))
      expect(map(name, [0])[0], name).toBeCloseTo(f(0), 6);
    for (const name of ["tanh4", ...activationNames.flatMap((f) => [f, `${f}_bend`])])
      expect(map(name, [0])[0], `${name} keeps padding zero`).toBe(0);
  });

  test("ln, scalar", () => {
    for (let i = 0; i < 2000; i++) {
      const x = 10 ** (-30 + (60 * i) / 1999);
      expect(Math.abs(lnOf(x) - Math.log(x))).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(Math.log(x))));
    }
    expect([lnOf(1), lnOf(0), lnOf(Infinity), lnOf(-1), lnOf(NaN)]).toEqual([
      0,
      -Infinity,
      Infinity,
      NaN,
      NaN,
    ]);
  });
});

test("erf and Φ in f64 equal the published tables", () => {
  // Abramowitz & Stegun, tables 7.1 and 26.1.
  for (const [x, y] of [
    [0.5, 0.5204998778],
    [1, 0.8427007929],
    [1.5, 0.9661051465],
    [2, 0.995322265],
  ] as const)
    expect(erf(x)).toBeCloseTo(y, 10);
  for (const [x, y] of [
    [1, 0.841344746069],
    [2, 0.977249868052],
    [3, 0.998650101968],
    [-3, 0.001349898032],
  ] as const)
    expect(normalCdf(x)).toBeCloseTo(y, 12);
});
