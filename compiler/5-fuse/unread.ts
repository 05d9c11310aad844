/**
 * What nobody reads is not computed: a norm's statistics where nothing runs backward, cotangents that lead to
 * no trained parameter.
 *
 *   before  out, rstd = rmsnorm(x, w)           rstd is read by nobody
 *   after   out = rmsnorm(x, w)
 */
import type { Graph, Node, Section } from "../3-graph/ir.ts";
import type { Op } from "../ops/kit/op.ts";
import { ops } from "../ops/index.ts";

export function dropUnread(graph: Graph): Graph {
  const read = readValues(graph);
  const isWanted = (name: string): boolean =>
    graph.values.get(name)!.storage !== "activation" || read.has(name);
  const asked = (node: Node): Node => {
    const { tensors }: Op = ops[node.op];
    const kept = Object.entries(node.outs).filter(
      ([arg, ref]) => isWanted(ref.value) || !tensors.find((t) => t.name === arg)!.optional,
    );
    return { ...node, outs: Object.fromEntries(kept) };
  };
  const sections = graph.sections.map((s): Section => ({
    ...s,
    carries: s.carries.filter((c) => read.has(c.from)),
    nodes: s.nodes.filter((n) => Object.values(n.outs).some((r) => isWanted(r.value))).map(asked),
  }));
  const touched = new Set(
    sections.flatMap((s) =>
      s.nodes.flatMap((n) => [...Object.values(n.ins), ...Object.values(n.outs)].map((r) => r.value)),
    ),
  );
  return {
    ...graph,
    values: new Map([...graph.values].filter(([name, v]) => v.storage !== "activation" || touched.has(name))),
    sections: sections.filter((s) => s.nodes.length > 0),
  };
}

/** Everything that what leaves the entry is made of. */
function readValues(graph: Graph): Set<string> {
  const read = new Set<string>();
  const isWanted = (name: string): boolean =>
    graph.values.get(name)!.storage !== "activation" || read.has(name);
  for (let before = -1; before < read.size;) {
    before = read.size;
    for (const { nodes, carries } of graph.sections) {
      for (const { from, to } of carries) if (read.has(from)) read.add(to);
      for (const node of nodes.toReversed())
        if (Object.values(node.outs).some((r) => isWanted(r.value)))
          for (const { value } of Object.values(node.ins)) read.add(value);
    }
  }
  return read;
}
