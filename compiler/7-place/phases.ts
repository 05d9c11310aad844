/**
 * Finds where the workers have to wait for each other: between two calls of which one writes bytes that the
 * other reads or writes. Calls that need not, for example those that compute a weight's gradient and an
 * input's gradient, are a phase.
 */
import { MAX_TASK_COUNTERS } from "../../runtime/contract/control.ts";
import { dynamicTasksOf } from "../6-tile/kernel-spec.ts";
import { refShape, type Graph, type Ref } from "../3-graph/ir.ts";
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import type { Call, ProgramSection } from "../6-tile/program.ts";
import { valueBytes } from "./lifetimes.ts";

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Address of slice 0 of a value, and bytes from slice to slice. */
export type AddressOf = (value: string) => { readonly offset: number; readonly stride: number };

/**
 * The phases of each section, one after the other. A section ends with a phase, and so does an iteration of a
 * loop.
 */
export const phasesOf = (
  graph: Graph,
  sections: readonly ProgramSection[],
  addressOf: AddressOf,
): readonly (readonly Phase[])[] => sections.map((section) => sectionPhases(graph, section, addressOf));

/** Calls between which nobody waits. */
export type Phase = readonly Call[];

function sectionPhases(graph: Graph, section: ProgramSection, addressOf: AddressOf): readonly Phase[] {
  const phases: Call[][] = [];
  let reads: Span[] = [];
  let writes: Span[] = [];
  let dynamic = 0;
  const spans = (refs: readonly Ref[]): Span[] =>
    refs.map((ref) => spanOf(graph, ref, section.times > 1, addressOf));
  for (const call of section.calls) {
    const r = spans(Object.values(call.node.ins));
    const w = spans(Object.values(call.node.outs));
    const counts = dynamicTasksOf(call.spec) ? 1 : 0;
    const meets = touches(r, writes) || touches(w, writes) || touches(w, reads);
    if (phases.length === 0 || meets || dynamic + counts > MAX_TASK_COUNTERS) {
      phases.push([]);
      [reads, writes, dynamic] = [[], [], 0];
    }
    phases.at(-1)!.push(call);
    reads.push(...r);
    writes.push(...w);
    dynamic += counts;
  }
  return phases.map(fixedFirst);
}

/**
 * Kernels whose tasks are all fixed come first in a phase, in which any order is right: whoever is through
 * with them earlier takes more of the dynamic tasks behind them.
 */
const fixedFirst = (phase: Phase): Phase => {
  const { fixed = [], dynamic = [] } = Object.groupBy(phase, ({ spec }) =>
    dynamicTasksOf(spec) ? "dynamic" : "fixed",
  );
  return [...fixed, ...dynamic];
};

function spanOf(graph: Graph, ref: Ref, loops: boolean, addressOf: AddressOf): Span {
  const { offset, stride } = addressOf(ref.value);
  const value = graph.values.get(ref.value)!;
  if (ref.slice.kind === "all" || (loops && ref.slice.step === 1))
    return { from: offset, to: offset + valueBytes(value) };
  const from = offset + stride * ref.slice.base;
  return { from, to: from + tensorBytes(refShape(graph, ref)) };
}

const touches = (a: readonly Span[], b: readonly Span[]): boolean =>
  a.some((p) => b.some((q) => p.from < q.to && q.from < p.to));
