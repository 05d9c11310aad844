/**
 * One kernel as an AssemblyScript function: a header, parameters (byte addresses), a worker's share of the
 * tasks, and the body that the operation writes. Which worker's share it is, the argument `worker` says: its
 * own, or another's who is held up (barrier.ts).
 *
 *   /** rmsnorm  x[8,64] w[64] -> out[8,64]
 *    *  out = x · w / √(mean_c x² + ε) ∗/
 *   function rmsnorm_R8_C64(x: usize, w: usize, out: usize, spill: usize, worker: i32): void { … }
 */
import {
  kernelContext,
  needsAccumulate,
  needsScratch,
  tasksOf,
  dynamicTasksOf,
  FEW_WORKERS,
  PIECES_EACH,
  type KernelSpec,
} from "../6-tile/kernel-spec.ts";
import { shapeOf } from "../ops/kit/signature.ts";
import { Writer } from "../ops/kit/writer.ts";
import { loadControl } from "./prelude.ts";

/**
 * What a kernel is called with, in this order. `counter`: address of its counter of dynamic tasks; `spill`:
 * that of the worker's own piece of memory, in which scratch follows (7-place/worker-memory.ts).
 */
interface Argument {
  readonly tensors: readonly string[];
  readonly accumulate: string;
  readonly counter: string;
  readonly spill: string;
  readonly worker: string;
}

export const kernelArguments = (spec: KernelSpec, a: Argument): string =>
  [
    ...a.tensors,
    ...(needsAccumulate(spec) ? [a.accumulate] : []),
    ...(dynamicTasksOf(spec) ? [a.counter] : []),
    a.spill,
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
    accumulate: "accumulate: bool",
    counter: "counter: usize",
    spill: "spill: usize",
    worker: "worker: i32",
  });
  w.block(`function ${name}(${parameters}): void`, () => {
    if (needsScratch(spec)) w.line("const scratch = spill + SPILL_BYTES;");
    overTasks(w, spec, () => spec.op.emit(w, at, spec.d, kernelContext(spec)));
  });
  return String(w);
}

/** The number of tasks of live rows, as text; undefined where all rows are live. */
function liveTasks(w: Writer, spec: KernelSpec): string | undefined {
  const { rows, rowTasks } = spec.op;
  if (!rowTasks || !spec.tensors.includes("live")) return undefined;
  const each = tasksOf(spec) / spec.d[rows!]!;
  w.line(`const tasks = min(load<i32>(live), ${spec.d[rows!]!})${each === 1 ? "" : ` * ${each}`};`);
  return "tasks";
}

/**
 * This worker's tasks [first, last): once, or several times when some of them are handed out to whoever is
 * free. `fresh` is true the first time.
 */
function overTasks(w: Writer, spec: KernelSpec, body: () => void): void {
  const tasks = tasksOf(spec);
  const dynamic = dynamicTasksOf(spec);
  if (!dynamic) {
    const live = liveTasks(w, spec) ?? tasks;
    w.line(`const first = share(${live}, worker), last = share(${live}, worker + 1);`);
    return body();
  }
  const { fixed, grain, least = grain, heldGrain = grain } = dynamic;
  const pieces = Math.ceil((tasks - fixed) / least);
  w.line(`const workers = ${loadControl("CONTROL_WORKERS")}, held = isHeld();`);
  w.line(`const alone = workers == 1, many = workers > ${FEW_WORKERS};`);
  w.line(`const fixed = held ? 0 : many && workers > ${pieces} ? ${tasks} : ${fixed};`);
  const small = `min(${grain}, ${least} * max(1, ${pieces} / (${PIECES_EACH} * workers)))`;
  w.line(`const grain = held ? ${heldGrain} : many ? ${small} : ${grain};`);
  const end = `alone ? ${tasks} : share(fixed, worker + 1)`;
  w.line(`let first = share(fixed, worker), last = ${end}, fresh = true;`);
  w.block("for (;;)", () => {
    body();
    w.line("if (alone) break;");
    w.line("first = fixed + grain * atomic.add<i32>(counter, 1); // whoever is free takes the next piece");
    w.line(`if (first >= ${tasks}) break;`);
    w.line(`last = min(first + grain, ${tasks});`);
    w.line("fresh = false;");
  });
}
