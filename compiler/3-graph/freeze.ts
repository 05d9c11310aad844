/** Parameters that training leaves as they are. */
import type { Graph, Value } from "./ir.ts";

/** `trains`: by name, without the layer's number. */
export function freeze(graph: Graph, trains: (parameter: string) => boolean): Graph {
  const kept = (v: Value): Value =>
    v.storage === "parameter" && !trains(v.name) ? { ...v, trained: false } : v;
  return { ...graph, values: new Map([...graph.values].map(([name, v]) => [name, kept(v)])) };
}
