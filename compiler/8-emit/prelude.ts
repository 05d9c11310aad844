/**
 * What every generated module starts with: the few functions that kernels are written in. `wide` is not
 * another language: the same 128-bit operations, in adjacent pairs, which V8 joins into 256-bit ones.
 */
import type { Target } from "../../runtime/contract/targets.ts";
import { control, MAX_TURNS, SPILL_BYTES } from "../../runtime/contract/control.ts";
import { vectorMath } from "./vector-math.ts";

/**
 * Spins before sleeping, some 200 µs: a worker that sleeps is waked too late for the next kernel
 * (bench/EXPERIMENTS.md).
 */
const SPINS = 400_000;

export function prelude(target: Target): string {
  const fma = target !== "simd";
  return `const ZERO = f32x4(0, 0, 0, 0);
const ONE = f32x4(1, 1, 1, 1);

/** a·b + c${fma ? ", rounded once where the machine can" : ""} */
// @ts-ignore: decorator
@inline function madd(a: v128, b: v128, c: v128): v128 { return ${fma ? "f32x4.relaxed_madd(a, b, c)" : "f32x4.add(f32x4.mul(a, b), c)"}; }
/** c − a·b */
// @ts-ignore: decorator
@inline function nmadd(a: v128, b: v128, c: v128): v128 { return ${fma ? "f32x4.relaxed_nmadd(a, b, c)" : "f32x4.sub(c, f32x4.mul(a, b))"}; }

/** First of \`tasks\` that belongs to worker w. */
function share(tasks: i32, w: i32): i32 {
  return <i32>(<i64>tasks * <i64>w / <i64>load<i32>(${control.workers}));
}

/** Sum of the 8 lanes of a pair. */
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
/** Worker w's corner for horizontal sums. */
// @ts-ignore: decorator
@inline function spillOf(w: i32): usize { return ${control.spill} + <usize>w * ${SPILL_BYTES}; }

/** All workers arrive before any goes on. Spins briefly, then sleeps. Leaves by a trap when the host has raised \`abort\`. */
function barrier(): void {
  const workers = load<i32>(${control.workers});
  if (workers == 1) return;
  const round = atomic.load<i32>(${control.round});
  if (atomic.add<i32>(${control.arrived}, 1) == workers - 1) {
    atomic.store<i32>(${control.arrived}, 0);
    memory.fill(${control.turns}, 0, ${MAX_TURNS * 4});
    atomic.add<i32>(${control.round}, 1);
    atomic.notify(${control.round}, -1);
  } else {
    for (let spin = 0; spin < ${SPINS}; spin++) if (atomic.load<i32>(${control.round}) != round) return;
    while (atomic.load<i32>(${control.round}) == round) {
      if (atomic.load<i32>(${control.abort}) != 0) unreachable();
      atomic.wait<i32>(${control.round}, round, 100_000_000); // ns: looks at \`abort\` ten times a second
    }
  }
  if (atomic.load<i32>(${control.abort}) != 0) unreachable();
}

${vectorMath}`;
}
