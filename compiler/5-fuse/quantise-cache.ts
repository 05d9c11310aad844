/**
 * Keys and values of earlier positions in 8 bits (module `infer` alone):
 *
 *   attention_cached(qkv, keys, values)   →   attention_cached_q8(qkv, keys′, values′)
 *
 * An op says by which other one it is replaced: `cacheQuantised`, ops/kit/replacements.ts.
 */
import type { CacheFormat } from "../../runtime/contract/memory-formats.ts";
import type { Graph, Node, Value } from "../3-graph/ir.ts";
import { opOf } from "../ops/index.ts";

export function quantiseCache(graph: Graph, format: CacheFormat): Graph {
  const values = new Map(graph.values);
  const sections = graph.sections.map((s) => ({
    ...s,
    nodes: s.nodes.map((node) => inFewerBits(values, node, format)),
  }));
  return { ...graph, values, sections };
}

function inFewerBits(values: Map<string, Value>, node: Node, format: CacheFormat): Node {
  const op = opOf(node.op);
  const { cacheQuantised: how } = op;
  if (!how) return node;
  const shape = (f32: readonly number[]) => how.shape(f32, { ...op.attrs, ...node.attrs }, format);
  for (const cache of how.caches) {
    const value = values.get(node.ins[cache]!.value)!;
    values.set(value.name, {
      ...value,
      dtype: "i32",
      shape: shape(value.shape),
      ...(value.sliceShapes && { sliceShapes: value.sliceShapes.map(shape) }),
    });
  }
  return { ...node, op: how.by };
}
