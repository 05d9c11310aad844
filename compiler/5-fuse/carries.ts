/**
 * A carry costs nothing when its two values can share one buffer: the old one is read for the last time
 * before (or, in place, while) the new one is written. Where that is not so, a copy at the end of the
 * iteration makes it so.
 */
import { ops } from "../ops/index.ts";
import type { Op } from "../ops/kit/op.ts";
import type { InputName } from "../../runtime/contract/entries.ts";
import { nodeOf } from "../3-graph/node.ts";
import { whole, type Graph, type Node } from "../3-graph/ir.ts";

const rows: InputName = "rows";

export function settleCarries(graph: Graph): Graph {
  const sections = graph.sections.map((s) => {
    const blocked = s.carries.filter(({ from, to }) => !canShare(s.nodes, from, to));
    // a run's rows that are not live stay behind
    const live = graph.values.has(rows) ? whole(rows) : undefined;
    const copies = blocked.map(({ from, to }) =>
      nodeOf("copy", { x: whole(to), live }, { out: whole(from) }),
    );
    return { ...s, carries: s.carries.filter((c) => !blocked.includes(c)), nodes: [...s.nodes, ...copies] };
  });
  return { ...graph, sections };
}

function canShare(nodes: readonly Node[], from: string, to: string): boolean {
  const lastRead = nodes.findLastIndex((n) => Object.values(n.ins).some((r) => r.value === from));
  const written = nodes.findIndex((n) => Object.values(n.outs).some((r) => r.value === to));
  return lastRead < written || (lastRead === written && worksInPlace(nodes[written]!, from, to));
}

/**
 * True when the node may write `to` over `from`: an element-by-element op, and `from` is no other argument of
 * it.
 */
export function worksInPlace(node: Node, from: string, to: string): boolean {
  const op: Op = ops[node.op];
  const out = Object.keys(node.outs).find((o) => node.outs[o]!.value === to)!;
  const readAs = Object.keys(node.ins).filter((i) => node.ins[i]!.value === from);
  return readAs.length === 1 && [op.inPlace?.[out] ?? []].flat().includes(readAs[0]!);
}
