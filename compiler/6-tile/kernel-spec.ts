/**
 * What one kernel is made from: an operation, its sizes, attributes, the optional tensors that take part,
 * target and tiles.
 */
import { type Attrs, type Kernel, type Op, type Turns } from "../ops/kit/op.ts";
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

export const facts = (s: KernelSpec): Kernel => ({
  attrs: s.attrs,
  target: s.target,
  tiles: s.tiles,
  has: (t) => s.tensors.includes(t),
});

export const tasksOf = (s: KernelSpec): number => s.op.tasks(s.d, facts(s));
export const scratchOf = (s: KernelSpec): number => s.op.scratch?.(s.d, facts(s)) ?? 0;

/** Undefined: tasks are shared evenly, once. */
export function turnsOf(s: KernelSpec): Turns | undefined {
  const turns = s.op.turns?.(s.d, facts(s));
  return turns && turns.fixed < tasksOf(s) ? turns : undefined;
}

/**
 * Identity of the code for one target: same key, same kernel. Sizes and attributes in the signature's order.
 */
export const kernelKey = (s: KernelSpec): string => JSON.stringify([s.opName, s.d, s.attrs, s.tensors]);

/** Parameters after the addresses. */
export const needsAccumulate = (s: KernelSpec): boolean => (s.op.accumulates?.length ?? 0) > 0;
export const needsScratch = (s: KernelSpec): boolean => scratchOf(s) > 0;

/** matmul_768x128x512_bias_gelu: the op, its sizes, what was fused into it. */
export function kernelName({ opName, d, attrs, op, tensors }: KernelSpec): string {
  const extras = op.tensors.filter((t) => t.optional && tensors.includes(t.name)).map((t) => t.name);
  const words = Object.entries(attrs).flatMap(([k, v]) =>
    typeof v === "string" && v !== op.attrs?.[k] ? [v] : [],
  );
  return [opName, Object.values(d).join("x"), ...extras, ...words].join("_");
}
