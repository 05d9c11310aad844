/**
 * What every generated module starts with: the addresses of the control block, and the few functions that
 * kernels are written in. The target `wide` is no other language: it has the same 128-bit operations, in
 * adjacent pairs, which V8 joins into 256-bit ones.
 */
import type { Target } from "../../runtime/contract/targets.ts";
import { control, MAX_TASK_COUNTERS } from "../../runtime/contract/control.ts";
import { SPILL_BYTES } from "../7-place/worker-memory.ts";
import { hyperOffsets } from "../ops/kit/hyper.ts";
import { barrier } from "./barrier.ts";
import { vectorMath } from "./vector-math.ts";

/** Fields of the control block that generated code reads or writes: constant → [field, comment]. */
const controlFields = {
  CONTROL_WORKERS: ["workers", "workers that take part in every entry (i32)"],
  CONTROL_PARTS: ["parts", "how many parts of the phase are done (i32)"],
  CONTROL_LEFT: ["left", "how many workers have left the entry (i32)"],
  CONTROL_ROUND: ["round", "phase, whether workers are held up, parts taken; sleepers wait on it (i32)"],
  CONTROL_SLEPT: ["slept", "not zero: somebody was waited for in this phase (i32)"],
  CONTROL_SLEEPS: ["sleeps", "in how many of the last phases that was so (i32)"],
  CONTROL_ABORT: ["abort", "not zero: leave the entry at the end of the phase (i32)"],
  CONTROL_CROWDED: ["crowded", "not zero: more workers than cores, who waits sleeps at once (i32)"],
  CONTROL_ACCUMULATE: ["accumulate", "gradients of this micro-batch are added to those that are there (i32)"],
  CONTROL_UPDATE: ["update", "an update follows this micro-batch (i32)"],
  TASK_COUNTERS: ["turns", "how many pieces of dynamic tasks are taken, for each kernel of a phase (i32)"],
} as const satisfies Readonly<Record<string, readonly [keyof typeof control, string]>>;

/** Name of a field's address in generated code. */
export type ControlName = keyof typeof controlFields;
export const loadControl = (name: ControlName): string => `load<i32>(${name})`;

/** Address of a counter of dynamic tasks, in generated code. */
export const taskCounter = (index: number): string => `TASK_COUNTERS${index === 0 ? "" : ` + ${4 * index}`}`;

const controlAddresses = Object.entries(controlFields)
  .map(([name, [field, comment]]) => `const ${name}: usize = ${control[field]}; // ${comment}`)
  .join("\n");

export function prelude(target: Target): string {
  const fma = target !== "simd";
  const madd = fma ? "f32x4.relaxed_madd(a, b, c)" : "f32x4.add(f32x4.mul(a, b), c)";
  const nmadd = fma ? "f32x4.relaxed_nmadd(a, b, c)" : "f32x4.sub(c, f32x4.mul(a, b))";
  return `// The control block, by which the host and the kernels talk: byte addresses.
${controlAddresses}
// A worker's own piece of memory begins with the spill, where horizontal sums end; scratch lies behind it.
const SPILL_BYTES: usize = ${SPILL_BYTES};
const TASK_COUNTER_BYTES: usize = ${MAX_TASK_COUNTERS * 4};
// Where the optimizer's numbers stand in the tensor hyper: bytes.
${hyperOffsets}
${arithmetic(madd, nmadd, fma ? ", rounded once where the machine can" : "")}
${horizontal}
${barrier}
${vectorMath}`;
}

const arithmetic = (madd: string, nmadd: string, rounded: string): string => `const ZERO = f32x4(0, 0, 0, 0);
const ONE = f32x4(1, 1, 1, 1);

/** a·b + c${rounded} */
// @ts-ignore: decorator
@inline function madd(a: v128, b: v128, c: v128): v128 { return ${madd}; }
/** c − a·b */
// @ts-ignore: decorator
@inline function nmadd(a: v128, b: v128, c: v128): v128 { return ${nmadd}; }

/** First of \`tasks\` that belongs to worker w. */
function share(tasks: i32, w: i32): i32 {
  return <i32>(<i64>tasks * <i64>w / <i64>load<i32>(CONTROL_WORKERS));
}
`;

const horizontal = `/** Sum of the 8 lanes of a pair. */
// @ts-ignore: decorator
@inline function sum8(lo: v128, hi: v128, spill: usize): f32 {
  v128.store(spill, lo);
  v128.store(spill, hi, 16);
  return ((load<f32>(spill) + load<f32>(spill, 16)) + (load<f32>(spill, 4) + load<f32>(spill, 20)))
    + ((load<f32>(spill, 8) + load<f32>(spill, 24)) + (load<f32>(spill, 12) + load<f32>(spill, 28)));
}
/** Largest of the 8 lanes of a pair. */
// @ts-ignore: decorator
@inline function max8(lo: v128, hi: v128, spill: usize): f32 {
  v128.store(spill, lo);
  v128.store(spill, hi, 16);
  return max(max(max(load<f32>(spill), load<f32>(spill, 16)), max(load<f32>(spill, 4), load<f32>(spill, 20))),
    max(max(load<f32>(spill, 8), load<f32>(spill, 24)), max(load<f32>(spill, 12), load<f32>(spill, 28))));
}
`;
