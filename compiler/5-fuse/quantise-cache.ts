/**
 * Keys and values of earlier positions in 8 bits (module `infer` alone):
 *
 *   attention_cached(qkv, keys, values)   →   attention_cached_q8(qkv, keys′, values′)
 */
import type { Graph, Node, Value } from "../3-graph/ir.ts";
import type { CacheFormat } from "../../runtime/contract/memory-formats.ts";
import { cacheShapes } from "../ops/attention/kit/cache-layout.ts";
import { PANEL } from "../ops/kit/panels.ts";

export function quantiseCache(graph: Graph, format: CacheFormat): Graph {
  const values = new Map(graph.values);
  const sections = graph.sections.map((s) => ({
    ...s,
    nodes: s.nodes.map((node) => (node.op === "attention_cached" ? inFewerBits(values, node, format) : node)),
  }));
  return { ...graph, values, sections };
}

function inFewerBits(values: Map<string, Value>, node: Node, format: CacheFormat): Node {
  const { kv_heads, head_dim } = node.attrs as { kv_heads: number; head_dim: number };
  const rowsOf = ([panels]: readonly number[]): number => panels! * PANEL;
  const before = values.get(node.ins["values"]!.value)!;
  const shapes = (rows: number) => cacheShapes(rows, kv_heads, head_dim, format);
  for (const kind of ["keys", "values"] as const) {
    const value = values.get(node.ins[kind]!.value)!;
    values.set(value.name, {
      ...value,
      dtype: "i32",
      shape: shapes(rowsOf(before.shape))[kind],
      ...(before.sliceShapes && { sliceShapes: before.sliceShapes.map((s) => shapes(rowsOf(s))[kind]) }),
    });
  }
  return { ...node, op: "attention_cached_q8" };
}
