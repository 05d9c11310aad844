/**
 * Finds where the workers have to wait for each other: between two calls of which one writes bytes that the
 * other reads or writes. Other calls need no barrier between them, for example those that compute a weight's
 * gradient and an input's gradient.
 */
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
 * Says for each section, and each call in it, whether the workers must meet before the call. At the end of a
 * loop's iteration they always meet.
 */
export function barriersBefore(
  graph: Graph,
  sections: readonly ProgramSection[],
  addressOf: AddressOf,
): boolean[][] {
  let reads: Span[] = [];
  let writes: Span[] = [];
  const spans = (refs: readonly Ref[], loops: boolean): Span[] =>
    refs.map((ref) => spanOf(graph, ref, loops, addressOf));
  return sections.map((section) => {
    const loops = section.times > 1;
    const flags = section.calls.map(({ node }: Call) => {
      const r = spans(Object.values(node.ins), loops);
      const w = spans(Object.values(node.outs), loops);
      const wait = touches(r, writes) || touches(w, writes) || touches(w, reads);
      if (wait) [reads, writes] = [[], []];
      reads.push(...r);
      writes.push(...w);
      return wait;
    });
    if (loops) [reads, writes] = [[], []]; // the barrier at the end of the iteration
    return flags;
  });
}

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
