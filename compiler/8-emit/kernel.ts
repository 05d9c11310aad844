/**
 * One kernel as an AssemblyScript function: header, parameters (byte addresses), its share of the tasks, the
 * op's body.
 *
 *   /** rmsnorm  x[8,64] w[64] -> out[8,64]
 *    *  out = x · w / √(mean_c x² + ε) ∗/
 *   function rmsnorm_8x64(x: usize, w: usize, out: usize, worker: i32): void { … }
 */
import {
  facts,
  needsAccumulate,
  needsScratch,
  tasksOf,
  turnsOf,
  type KernelSpec,
} from "../6-tile/kernel-spec.ts";
import { control } from "../../runtime/contract/control.ts";
import { shapeOf } from "../ops/kit/signature.ts";
import { Writer } from "../ops/kit/writer.ts";

/** What a kernel is called with, in this order. `turn`: address of its count in `control.turns`. */
interface Argument {
  readonly tensors: readonly string[];
  readonly scratches: string;
  readonly accumulate: string;
  readonly turn: string;
  readonly worker: string;
}

export const kernelArguments = (spec: KernelSpec, a: Argument): string =>
  [
    ...a.tensors,
    ...(needsScratch(spec) ? [a.scratches] : []),
    ...(needsAccumulate(spec) ? [a.accumulate] : []),
    ...(turnsOf(spec) ? [a.turn] : []),
    a.worker,
  ].join(", ");

export function emitKernel(name: string, spec: KernelSpec, helpers: Map<string, string>): string {
  const w = new Writer(helpers);
  const slots = spec.op.tensors.filter((t) => spec.tensors.includes(t.name));
  const at = Object.fromEntries(slots.map((t) => [t.name, t.name]));
  const show = (output: boolean) =>
    slots
      .filter((t) => t.output === output)
      .map((t) => `${t.name}[${shapeOf(t, spec.d)}]`)
      .join(" ");
  const sizes = Object.entries({ ...spec.attrs, ...spec.tiles })
    .map(([k, v]) => `${k}=${v}`)
    .join(" ");
  w.line(`/** ${spec.opName}  ${show(false)} -> ${show(true)}${sizes ? `   ${sizes}` : ""}`);
  w.line(` *  ${spec.op.doc} */`);
  const parameters = kernelArguments(spec, {
    tensors: slots.map((t) => `${t.name}: usize`),
    scratches: "scratches: usize",
    accumulate: "accumulate: bool",
    turn: "turn: usize",
    worker: "worker: i32",
  });
  w.block(`function ${name}(${parameters}): void`, () => {
    if (needsScratch(spec)) w.line(`const scratch = scratches + <usize>worker * SCRATCH_BYTES;`);
    w.line(`const spill = spillOf(worker);`);
    overTasks(w, spec, () => spec.op.emit(w, at, spec.d, facts(spec)));
  });
  return String(w);
}

/** This worker's tasks: [first, last), once or several times. */
function overTasks(w: Writer, spec: KernelSpec, body: () => void): void {
  const tasks = tasksOf(spec);
  const turns = turnsOf(spec);
  if (!turns) {
    w.line(`const first = share(${tasks}, worker), last = share(${tasks}, worker + 1);`);
    return body();
  }
  w.line(`const alone = load<i32>(${control.workers}) == 1;`);
  w.line(
    `let first = share(${turns.fixed}, worker), last = alone ? ${tasks} : share(${turns.fixed}, worker ` +
      "+ 1), fresh = true;",
  );
  w.block("for (;;)", () => {
    body();
    w.line("if (alone) break;");
    w.line(
      `first = ${turns.fixed} + ${turns.grain} * atomic.add<i32>(turn, 1); // whoever is free takes the next`,
    );
    w.line(`if (first >= ${tasks}) break;`);
    w.line(`last = min(first + ${turns.grain}, ${tasks});`);
    w.line("fresh = false;");
  });
}
