/**
 * What the layers' backward reads of their forward must outlive the iteration: one slice per layer.
 *
 *   before  x → layer × 12 (carry x_2 → x) …         layer_backward reads x, mlp.up
 *   after   x[0] → layer × 12: x[i] … → x[i+1] …      layer_backward reads x[i], mlp.up[i]
 */
import { each, sliceOf, type Graph, type Ref } from "../3-graph/ir.ts";

export function saveForBackward(graph: Graph): Graph {
  const backward = graph.sections.findIndex((s) => s.role === "layer" && s.of !== undefined);
  const forward = graph.sections.findIndex((s) => s.name === graph.sections[backward]?.of);
  if (forward < 0 || backward < 0) return graph;
  const section = graph.sections[forward]!;
  const { times } = section;
  const read = new Set(
    graph.sections[backward]!.nodes.flatMap((n) => Object.values(n.ins).map((r) => r.value)),
  );
  const made = new Set(
    section.nodes
      .flatMap((n) => Object.values(n.outs).map((r) => r.value))
      .filter((v) => graph.values.get(v)!.storage === "activation"),
  );
  const stacked = section.carries.filter((c) => read.has(c.from) || read.has(c.to));
  const values = new Map(graph.values);
  for (const name of made) if (read.has(name)) values.set(name, { ...values.get(name)!, slices: times });
  for (const { from, to } of stacked) {
    values.set(from, { ...values.get(from)!, slices: times + 1 });
    values.delete(to);
  }
  /** The carry's slice before the layers, in the backward of what stands there, and behind them. */
  const outside = (index: number): number => (index < forward || index > backward ? 0 : times);
  const rewrite = (ref: Ref, index: number): Ref => {
    const inside = index === forward || index === backward;
    const carry = stacked.find((c) => c.from === ref.value || c.to === ref.value);
    if (carry)
      return inside ? each(carry.from, ref.value === carry.to ? 1 : 0) : sliceOf(carry.from, outside(index));
    return inside && made.has(ref.value) && read.has(ref.value) ? each(ref.value) : ref;
  };
  const refs = (named: Readonly<Record<string, Ref>>, index: number) =>
    Object.fromEntries(Object.entries(named).map(([arg, ref]) => [arg, rewrite(ref, index)]));
  const sections = graph.sections.map((s, index) => ({
    ...s,
    carries: index === forward ? s.carries.filter((c) => !stacked.includes(c)) : s.carries,
    nodes: s.nodes.map((n) => ({ ...n, ins: refs(n.ins, index), outs: refs(n.outs, index) })),
  }));
  return { ...graph, values, sections };
}
