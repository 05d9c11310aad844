/**
 * What one kernel is made from: an operation, its sizes and attributes, the optional tensors that take part,
 * the target, and tiles.
 */
import { type Attrs, type Kernel, type Op, type DynamicTasks } from "../ops/kit/op.ts";
import type { Dims } from "../ops/kit/signature.ts";
import { targets, type Target } from "../../runtime/contract/targets.ts";

/** Everything that a kernel's code depends on. Two nodes with the same text of this share one kernel. */
export interface KernelSpec {
  readonly opName: string;
  readonly op: Op;
  readonly d: Dims;
  readonly attrs: Attrs;
  /** Tensors present, in the signature's order. */
  readonly tensors: readonly string[];
  readonly target: Target;
  readonly tiles: Dims;
}

export function kernelSpec(
  opName: string,
  op: Op,
  d: Dims,
  attrs: Attrs,
  present: readonly string[],
  target: Target,
): KernelSpec {
  for (const key of Object.keys(attrs))
    if (op.attrs?.[key] === undefined) throw new Error(`${opName} has no attribute ${key}`);
  if (!targets.includes(target)) throw new Error(`no target ${target}`);
  const all = { ...op.attrs, ...attrs };
  const tensors = op.tensors.filter((t) => !t.optional || present.includes(t.name)).map((t) => t.name);
  return { opName, op, d, attrs: all, tensors, target, tiles: op.tiles?.(d, all, target) ?? {} };
}

export const kernelContext = (s: KernelSpec): Kernel => ({
  attrs: s.attrs,
  target: s.target,
  tiles: s.tiles,
  has: (t) => s.tensors.includes(t),
});

export const tasksOf = (s: KernelSpec): number => s.op.tasks(s.d, kernelContext(s));
export const scratchOf = (s: KernelSpec): number => s.op.scratch?.(s.d, kernelContext(s)) ?? 0;

/** How tasks are handed out while a kernel runs. Undefined: they are shared evenly, once. */
export function dynamicTasksOf(s: KernelSpec): DynamicTasks | undefined {
  const dynamic = s.op.dynamic?.(s.d, kernelContext(s));
  const tasks = tasksOf(s);
  return dynamic && (dynamic.fixed < tasks || (dynamic.heldGrain ?? tasks) < tasks) ? dynamic : undefined;
}

/** So many workers take an operation's pieces as they are. More need smaller ones, to end together. */
export const FEW_WORKERS = 4;
/** How many pieces there are then for each worker, where there are as many. */
export const PIECES_EACH = 2;

/**
 * How so many workers share a kernel's tasks. Where the rest has fewer pieces than there are workers, some
 * would get one and others none: then nothing is dynamic. Generated code does the same (8-emit/kernel.ts).
 */
export function turnsOf(
  { fixed, grain, least = grain }: DynamicTasks,
  tasks: number,
  workers: number,
): Turns {
  if (workers <= FEW_WORKERS) return { fixed, grain };
  const pieces = Math.ceil((tasks - fixed) / least);
  if (pieces < workers) return { fixed: tasks, grain };
  return { fixed, grain: Math.min(grain, least * Math.max(1, Math.floor(pieces / (PIECES_EACH * workers)))) };
}
type Turns = Pick<DynamicTasks, "fixed" | "grain">;

/**
 * Identity of the code for one target: kernels with the same key are the same. Sizes and attributes stand in
 * the signature's order.
 */
export const kernelKey = (s: KernelSpec): string => JSON.stringify([s.opName, s.d, s.attrs, s.tensors]);

/** Parameters after the addresses. */
export const needsAccumulate = (s: KernelSpec): boolean => (s.op.accumulates?.length ?? 0) > 0;
export const needsScratch = (s: KernelSpec): boolean => scratchOf(s) > 0;

/** Longest name of a kernel, without the number that tells it from another kernel of the same name. */
const LONGEST_NAME = 120;

/** matmul_M768_K128_N512_bias_gelu: the op, its sizes by letter, what was fused into it. */
export function kernelName({ opName, d, attrs, op, tensors }: KernelSpec): string {
  const extras = op.tensors.filter((t) => t.optional && tensors.includes(t.name)).map((t) => t.name);
  const words = Object.entries(attrs).flatMap(([k, v]) =>
    typeof v === "string" && v !== op.attrs?.[k] && /^\w+$/.test(v) ? [v] : [],
  );
  const sizes = Object.entries(d).map(([letter, size]) => `${letter}${size}`);
  return [opName, ...sizes, ...extras, ...words].join("_").slice(0, LONGEST_NAME);
}
