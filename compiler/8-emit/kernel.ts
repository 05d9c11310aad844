/**
 * One kernel as an AssemblyScript function: header, parameters (byte addresses), its share of the tasks, the op's body.
 *
 *   /** rmsnorm  x[8,64] w[64] -> out[8,64]
 *    *  out = x · w / √(mean_c x² + ε) *​/
 *   function rmsnorm_8x64(x: usize, w: usize, out: usize, worker: i32): void { … }
 */
import { shapeOf, targets, type Attrs, type Dims, type Kernel, type Op, type Target } from "../op.ts";
import { Writer } from "../writer.ts";

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

export function kernelSpec(opName: string, op: Op, d: Dims, attrs: Attrs, present: readonly string[], target: Target): KernelSpec {
  for (const key of Object.keys(attrs)) if (op.attrs?.[key] === undefined) throw new Error(`${opName} has no attribute ${key}`);
  if (!targets.includes(target)) throw new Error(`no target ${target}`);
  const all = { ...op.attrs, ...attrs };
  const tensors = op.tensors.filter((t) => !t.optional || present.includes(t.name)).map((t) => t.name);
  return { opName, op, d, attrs: all, tensors, target, tiles: op.tiles?.(d, all, target) ?? {} };
}

export const facts = (s: KernelSpec): Kernel => ({ attrs: s.attrs, target: s.target, tiles: s.tiles, has: (t) => s.tensors.includes(t) });

export const tasksOf = (s: KernelSpec): number => s.op.tasks(s.d, facts(s));
export const scratchOf = (s: KernelSpec): number => s.op.scratch?.(s.d, facts(s)) ?? 0;

/** Identity of the code: same key, same kernel. */
export const kernelKey = (s: KernelSpec): string => JSON.stringify([s.opName, s.d, s.attrs, s.tensors]);

/** Parameters after the addresses. */
export const needsAccumulate = (s: KernelSpec): boolean => (s.op.accumulates?.length ?? 0) > 0;
export const needsScratch = (s: KernelSpec): boolean => scratchOf(s) > 0;

export function emitKernel(name: string, spec: KernelSpec, helpers: Map<string, string>): string {
  const w = new Writer(helpers);
  const slots = spec.op.tensors.filter((t) => spec.tensors.includes(t.name));
  const at = Object.fromEntries(slots.map((t) => [t.name, t.name]));
  const show = (output: boolean) => slots.filter((t) => t.output === output).map((t) => `${t.name}[${shapeOf(t, spec.d)}]`).join(" ");
  const sizes = Object.entries({ ...spec.attrs, ...spec.tiles }).map(([k, v]) => `${k}=${v}`).join(" ");
  w.line(`/** ${spec.opName}  ${show(false)} -> ${show(true)}${sizes ? `   ${sizes}` : ""}`);
  w.line(` *  ${spec.op.doc} */`);
  const parameters = [...slots.map((t) => `${t.name}: usize`), ...(needsScratch(spec) ? ["scratches: usize"] : []), ...(needsAccumulate(spec) ? ["accumulate: bool"] : []), "worker: i32"];
  w.block(`function ${name}(${parameters.join(", ")}): void`, () => {
    const tasks = tasksOf(spec);
    w.line(`const first = share(${tasks}, worker), last = share(${tasks}, worker + 1);`);
    if (needsScratch(spec)) w.line(`const scratch = scratches + <usize>worker * SCRATCH_BYTES;`);
    w.line(`const spill = spillOf(worker);`);
    spec.op.emit(w, at, spec.d, facts(spec));
  });
  return String(w);
}
