/**
 * AssemblyScript of the programs that find out what a machine can do at most: loops of arithmetic in
 * registers, in enough chains to hide the latency, a function applied to numbers in L1, and a loop that
 * reads.
 */
import { prelude } from "../../compiler/8-emit/prelude.ts";
import { activations } from "../../compiler/ops/kit/activations.ts";
import { Writer } from "../../compiler/ops/kit/writer.ts";
import { quickFours, unsignedFours, type SumsName } from "../../compiler/ops/matmul/quantised/group-sums.ts";
import { CONTROL_BYTES } from "../../runtime/contract/control.ts";
import { PAGE_BYTES } from "../../runtime/contract/memory-import.ts";
import type { Activation } from "../../runtime/contract/model.ts";
import type { ElementFunction } from "../../runtime/contract/profile-site.ts";
import type { Target } from "../../runtime/contract/targets.ts";

/** Three f32: the operands of the chains and what they begin with. */
export const OPERANDS = CONTROL_BYTES;
/** Two i32 that the host sets: blocks that are read, and how often. */
export const READ_BLOCKS = CONTROL_BYTES + 16;
export const READ_TIMES = CONTROL_BYTES + 20;
/** Two i32: what this machine answered to the questions of group-sums.ts. */
export const ANSWERS = CONTROL_BYTES + 24;
/** What every worker computed, so that nothing is left out as useless. */
const RESULTS = CONTROL_BYTES + 64;
const RESULT_BYTES = 1024;
/** Behind the results of as many workers as there can be. */
export const READ_FROM = 2 * PAGE_BYTES;
/** Bytes that one round of the reading loop takes. */
export const READ_BLOCK = 256;

/**
 * Pairs of accumulators. With 128 bits, there are 16 registers in all, and two of them are operands; with 256
 * bits, a pair takes one register.
 */
const PAIRS: Readonly<Record<Target, number>> = { simd: 6, relaxed: 6, wide: 12 };
export const CHAIN_ROUNDS = 1 << 21;

/** A loop of arithmetic: of f32, or of integers in one of the ways that products of integers take. */
export type ChainName = "fma" | SumsName;

interface Chain {
  /** Multiply-adds of one step on 128 bits. */
  readonly lanes: number;
  readonly relaxed: boolean;
  /**
   * What follows a chain's value. It is an operand of the next instruction, so that no part of one can leave
   * the loop.
   */
  step(half: string): string;
}

/** Dot products of four: the same instruction whatever the weights were. */
const fours: Chain = {
  lanes: 16,
  relaxed: true,
  step: (half) => `i32x4.relaxed_dot_i8x16_i7x16_add_s(${half}, b, ${half})`,
};

const chains: Readonly<Record<ChainName, Chain>> = {
  fma: { lanes: 4, relaxed: false, step: (half) => `madd(a, ${half}, b)` },
  pairs: {
    lanes: 8,
    relaxed: false,
    step: (half) => `i32x4.add(i32x4.dot_i16x8_s(${half}, b), a)`,
  },
  plain: {
    lanes: 16,
    relaxed: false,
    step: (half) => `i16x8.add(i16x8.extmul_low_i8x16_s(${half}, b), i16x8.extmul_high_i8x16_s(${half}, b))`,
  },
  doubles: {
    lanes: 16,
    relaxed: true,
    step: (half) => `i16x8.add(i16x8.relaxed_dot_i8x16_i7x16_s(${half}, b), a)`,
  },
  fours,
  bytes: fours,
  opened: fours,
};

/** The loops that there are for a target. */
export const chainNames = (target: Target): ChainName[] =>
  (Object.keys(chains) as ChainName[]).filter((name) => target !== "simd" || !chains[name].relaxed);

/** Operations of one call of a loop by each worker: 2 for each multiply-add. */
export const chainOperations = (name: ChainName, target: Target): number =>
  2 * chains[name].lanes * 2 * PAIRS[target] * CHAIN_ROUNDS;

/** A module with an entry for each loop, and `ask`, which writes the answers. */
export function chainsSource(target: Target): string {
  const helpers = new Map<string, string>();
  const w = new Writer(helpers);
  w.block("export function ask(worker: i32): void", () => {
    if (target !== "simd") {
      w.line(`store<i32>(${ANSWERS}, ${quickFours(w)}() ? 1 : 0);`);
      w.line(`store<i32>(${ANSWERS + 4}, ${unsignedFours(w)}() ? 1 : 0);`);
    }
  });
  const entries = chainNames(target).map((name) => chainSource(name, target));
  return [prelude(target), ...helpers.values(), String(w), ...entries].join("\n");
}

function chainSource(name: ChainName, target: Target): string {
  const pairs = Array.from({ length: PAIRS[target] }, (_, i) => i);
  const halves = pairs.flatMap((i) => [`lo${i}`, `hi${i}`]);
  const start = halves.map((half) => `  let ${half} = v128.load32_splat(${OPERANDS + 8});`);
  const round = halves.map((half) => `    ${half} = ${chains[name].step(half)};`);
  const stores = halves.map((half, i) => `  v128.store(to, ${half}, ${16 * i});`);
  return `export function ${name}(worker: i32): void {
  const a = v128.load32_splat(${OPERANDS});
  const b = v128.load32_splat(${OPERANDS + 4});
  const to: usize = ${RESULTS} + <usize>worker * ${RESULT_BYTES};
${start.join("\n")}
  for (let i = 0; i < ${CHAIN_ROUNDS}; i++) {
${round.join("\n")}
  }
${stores.join("\n")}
}`;
}

/** Each worker's numbers, and their values behind them; both, and a slope for each, stay in L1. */
const ELEMENT_COUNT = 1024;
export const ELEMENT_BYTES = 3 * 4 * ELEMENT_COUNT;
const ELEMENT_ROUNDS = 1 << 12;
/** To so many numbers each worker applies the function in a call. */
export const ELEMENTS = ELEMENT_COUNT * ELEMENT_ROUNDS;
/** So many vectors at a time, as in a row of a register tile: they share the function's constants. */
const VECTORS = 4;

/** A module whose entry applies the function to zeros. */
export function elementsSource(what: ElementFunction, target: Target): string {
  const { common, value, bend } = textOf(what);
  const lines = (text: (i: number) => string): string =>
    Array.from({ length: VECTORS }, (_, i) => `      ${text(i)}`).join("\n");
  const store = (i: number, y: string, area: number): string =>
    `v128.store(at, ${y}${i}, ${16 * i + 4 * area * ELEMENT_COUNT});`;
  return `${prelude(target)}
export function elements(worker: i32): void {
  const from: usize = ${READ_FROM} + <usize>worker * ${ELEMENT_BYTES}, end = from + ${4 * ELEMENT_COUNT};
  for (let round = 0; round < ${ELEMENT_ROUNDS}; round++) {
    for (let at = from; at < end; at += ${16 * VECTORS}) {
${lines((i) => `const x${i} = v128.load(at, ${16 * i});`)}
${lines((i) => `const c${i} = ${common(`x${i}`)};`)}
${bend ? lines((i) => `const b${i} = ${bend(`x${i}`, `c${i}`)};`) : ""}
${lines((i) => `const y${i} = ${value(`x${i}`, `c${i}`)};`)}
${bend ? lines((i) => store(i, "b", 2)) : ""}
${lines((i) => store(i, "y", 1))}
    }
  }
}`;
}

interface FunctionText {
  common(x: string): string;
  value(x: string, common: string): string;
  readonly bend?: (x: string, common: string) => string;
}

function textOf(what: ElementFunction): FunctionText {
  if (what === "exp") return { common: (x) => x, value: (x) => `exp_low4(${x})` };
  const [name, bend] = what.split("_bend") as [Activation, string?];
  const { emitCommon, emitValue, emitBend } = activations[name];
  return { common: emitCommon, value: emitValue, ...(bend !== undefined && { bend: emitBend }) };
}

/** A module whose entry sums up what stands at READ_FROM; each worker reads its part, as often as is said. */
export function readSource(): string {
  const halves = Array.from({ length: READ_BLOCK / 16 }, (_, i) => `part${i}`);
  const start = halves.map((half) => `  let ${half} = ZERO;`);
  const round = halves.map((half, i) => `      ${half} = f32x4.add(${half}, v128.load(at, ${16 * i}));`);
  const stores = halves.map((half, i) => `  v128.store(to, ${half}, ${16 * i});`);
  return `${prelude("wide")}
export function read(worker: i32): void {
  const blocks = load<i32>(${READ_BLOCKS});
  const from: usize = ${READ_FROM} + <usize>share(blocks, worker) * ${READ_BLOCK};
  const end: usize = ${READ_FROM} + <usize>share(blocks, worker + 1) * ${READ_BLOCK};
  const to: usize = ${RESULTS} + <usize>worker * ${RESULT_BYTES};
${start.join("\n")}
  for (let left = load<i32>(${READ_TIMES}); left > 0; left--) {
    for (let at = from; at < end; at += ${READ_BLOCK}) {
${round.join("\n")}
    }
  }
${stores.join("\n")}
}`;
}
