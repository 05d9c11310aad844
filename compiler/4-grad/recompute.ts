/**
 * `train { recompute layers }`: of each layer only its input x outlives the forward. The backward of a layer
 * begins by computing again what it reads (Chen et al. 2016, "Training Deep Nets with Sublinear Memory
 * Cost").
 *
 *   before  layer: qkv = …; up = …       layer_backward: … reads qkv, up
 *   after   layer: qkv = …; up = …       layer_backward: qkv.again = …; up.again = …; … reads these
 *
 * The same kernels read the same bytes, so every number is the same as without.
 */
import { ops } from "../ops/index.ts";
import type { Op } from "../ops/kit/op.ts";
import { whole, type Graph, type Node, type Ref, type Section, type Value } from "../3-graph/ir.ts";

export function recomputeLayers(graph: Graph): Graph {
  const backward = graph.sections.find((s) => s.role === "layer" && s.of !== undefined);
  const forward = graph.sections.find((s) => s.name === backward?.of);
  if (!forward || !backward) return graph;
  const { nodes, made } = neededAgain(graph, forward, backward);
  const again = (ref: Ref): Ref => (made.has(ref.value) ? whole(nameAgain(ref.value)) : ref);
  const refs = (named: Readonly<Record<string, Ref>>): Record<string, Ref> =>
    Object.fromEntries(Object.entries(named).map(([arg, ref]) => [arg, again(ref)]));
  const copies = nodes.map((n) => ({ ...n, ins: refs(n.ins), outs: refs(n.outs) }));
  const readers = backward.nodes.map((n) => ({ ...n, ins: refs(n.ins) }));
  const values = new Map(graph.values);
  for (const of of nodes.flatMap((n) => Object.values(n.outs).map((r) => r.value))) {
    const name = nameAgain(of);
    const { shape, dtype } = values.get(of)!;
    values.set(name, { name, shape, dtype, storage: "activation", slices: 1, of });
  }
  const sections = graph.sections.map((s) => (s === backward ? { ...s, nodes: [...copies, ...readers] } : s));
  return { ...graph, values, sections };
}

const nameAgain = (value: string): string => `${value}.again`;

/** What is computed again has the name of the forward's value. */
export const isRecomputed = ({ storage, of }: Value): boolean => storage === "activation" && of !== undefined;

/**
 * The nodes of the forward that make what the backward reads of it, from a layer's input on, and the values
 * that they make. What the layer hands on is there already: it is the next layer's input.
 */
function neededAgain(
  graph: Graph,
  forward: Section,
  backward: Section,
): { readonly nodes: readonly Node[]; readonly made: ReadonlySet<string> } {
  const handedOn = new Set(forward.carries.map((c) => c.to));
  const wanted = new Set(backward.nodes.flatMap((n) => Object.values(n.ins).map((r) => r.value)));
  const made = new Set<string>();
  const nodes: Node[] = [];
  for (const node of forward.nodes.toReversed()) {
    const isWanted = ({ value }: Ref): boolean =>
      wanted.has(value) && !handedOn.has(value) && graph.values.get(value)!.storage === "activation";
    if (!Object.values(node.outs).some(isWanted) || hasEffects(node)) continue;
    const { tensors }: Op = ops[node.op];
    const isOptional = (arg: string): boolean => tensors.find((t) => t.name === arg)!.optional;
    const outs = Object.entries(node.outs).filter(([arg, ref]) => isWanted(ref) || !isOptional(arg));
    nodes.unshift({ ...node, outs: Object.fromEntries(outs) });
    for (const [, ref] of outs) made.add(ref.value);
    for (const ref of Object.values(node.ins)) wanted.add(ref.value);
  }
  return { nodes, made };
}

/** What changes more than its outputs runs once; what it gives is saved. */
const hasEffects = ({ op }: Node): boolean => {
  const { accumulates = [], mutates = {} }: Op = ops[op];
  return accumulates.length > 0 || Object.keys(mutates).length > 0;
};
