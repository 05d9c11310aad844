/**
 * Finds between which steps each activation holds something. Steps are the calls of the program in their
 * order, where a loop's body counts once. A value that lives within one iteration of one section occupies its
 * own steps; one that crosses an iteration or a section lives through every loop that touches it. Values that
 * may be written over each other in place share one buffer.
 */
import { worksInPlace } from "../5-fuse/carries.ts";
import type { Program } from "../6-tile/program.ts";
import { sliceBytes, type Value } from "../3-graph/ir.ts";
import type { Buffer } from "./arena.ts";

export interface Lifetimes {
  readonly buffers: readonly Buffer[];
  /** Value → the buffer that holds it. */
  readonly bufferOf: ReadonlyMap<string, string>;
  readonly steps: number;
}

interface Touch {
  readonly section: number;
  readonly step: number;
  readonly write: boolean;
}

export function valueBytes(v: Value): number {
  const round = sliceBytes(v);
  return Array.from({ length: v.slices }, (_, i) => round[i % round.length]!).reduce((a, b) => a + b, 0);
}

export function lifetimes(program: Program): Lifetimes {
  const bounds: { first: number; last: number; times: number }[] = [];
  const touches = new Map<string, Touch[]>();
  let step = 0;
  for (const [section, s] of program.sections.entries()) {
    bounds.push({ first: step, last: step + s.calls.length - 1, times: s.times });
    for (const { node } of s.calls) {
      for (const ref of Object.values(node.ins)) touch(touches, ref.value, { section, step, write: false });
      for (const ref of Object.values(node.outs)) touch(touches, ref.value, { section, step, write: true });
      step++;
    }
  }
  const carried = new Map(program.sections.flatMap((s) => s.carries.map((c) => [c.to, c.from] as const)));
  const root = (name: string): string => (carried.has(name) ? root(carried.get(name)!) : name);
  const spans = new Map<string, { first: number; last: number; bytes: number }>();
  const extend = (name: string, first: number, last: number, bytes: number): void => {
    const before = spans.get(name);
    spans.set(
      name,
      before
        ? {
            first: Math.min(before.first, first),
            last: Math.max(before.last, last),
            bytes: Math.max(before.bytes, bytes),
          }
        : { first, last, bytes },
    );
  };
  const bufferOf = new Map<string, string>();
  for (const [name, all] of touches) {
    const value = program.graph.values.get(name)!;
    if (value.storage !== "activation") continue;
    bufferOf.set(name, root(name));
    const local =
      value.slices === 1 &&
      all.every((t) => t.section === all[0]!.section) &&
      all[0]!.write &&
      root(name) === name &&
      ![...carried.values()].includes(name);
    for (const t of all) {
      const { first, last, times } = bounds[t.section]!;
      if (local || times === 1) extend(root(name), t.step, t.step, valueBytes(value));
      else extend(root(name), first, last, valueBytes(value));
    }
  }
  shareInPlace(program, spans, bufferOf, touches);
  return { buffers: [...spans].map(([name, s]) => ({ name, ...s })), bufferOf, steps: step };
}

function touch(touches: Map<string, Touch[]>, name: string, t: Touch): void {
  const list = touches.get(name);
  if (list) list.push(t);
  else touches.set(name, [t]);
}

/**
 * Lets an output take an input's buffer where the op allows it and the input is not read again: the gradient
 * takes the logits' place, a sum the place of a summand.
 */
function shareInPlace(
  program: Program,
  spans: Map<string, { first: number; last: number; bytes: number }>,
  bufferOf: Map<string, string>,
  touches: ReadonlyMap<string, readonly Touch[]>,
): void {
  let step = 0;
  for (const s of program.sections) {
    for (const { node } of s.calls) {
      for (const out of Object.values(node.outs))
        for (const arg of Object.values(node.ins)) {
          const into = bufferOf.get(arg.value);
          const of = bufferOf.get(out.value);
          if (!into || !of || into === of) continue;
          const a = spans.get(into)!;
          const b = spans.get(of)!;
          const dies = a.last === step && b.first === step && a.bytes === b.bytes;
          const history = touches.get(arg.value)!;
          const simple =
            [arg, out].every((r) => program.graph.values.get(r.value)!.slices === 1) &&
            history.at(-1)!.step === step &&
            (s.times === 1 ||
              (history[0]!.write && history.every((t) => t.section === history.at(-1)!.section)));
          if (!dies || !simple || !worksInPlace(node, arg.value, out.value)) continue;
          spans.set(into, { ...a, last: b.last });
          spans.delete(of);
          for (const [name, buffer] of bufferOf) if (buffer === of) bufferOf.set(name, into);
        }
      step++;
    }
  }
}
