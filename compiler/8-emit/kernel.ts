/**
 * One kernel as an AssemblyScript function: header, parameters (byte addresses), its share of the tasks, the op's body.
 *
 *   /** rmsnorm  x[8,64] w[64] -> out[8,64]
 *    *  out = x · w / √(mean_c x² + ε) *​/
 *   function rmsnorm_8x64(x: usize, w: usize, out: usize, worker: i32): void { … }
 */
import { facts, needsAccumulate, needsScratch, tasksOf, type KernelSpec } from "../6-tile/kernel-spec.ts";
import { shapeOf } from "../op.ts";
import { Writer } from "../writer.ts";

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
