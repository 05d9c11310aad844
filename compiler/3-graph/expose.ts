/**
 * What goes on inside of the layers, as outputs (entry `look`). Attention is left in the two steps of its
 * equation, of which the first one's result is to be seen; the second takes in by how much each head counts.
 *
 *   before  out = attention(qkv)                    hidden = activate(up)                      x → x_2
 *   after   weights[i] = attention_weights(qkv)     hidden[i] = activate(up)                   residual[i] =
 *           out = attention_sum(weights[i], qkv,                                                 copy(x_2)
 *                               scales[i])
 *
 * Of a mixture of experts, the router's choice is an output too, and in which slots its rows are.
 */
import {
  insideNames,
  LAYERS_RESIDUAL,
  type InputName,
  type OutputName,
} from "../../runtime/contract/entries.ts";
import { nameIn } from "../../runtime/contract/parameter-names.ts";
import type { OpName } from "../ops/index.ts";
import { each, refShape, whole, type Graph, type Node, type Ref, type Section, type Value } from "./ir.ts";
import { nodeOf } from "./node.ts";

/** Operations of a layer that have something to show, and their results that are shown. */
const shown: { readonly [op in OpName]?: readonly string[] } = {
  activate: ["out"],
  gated: ["out"],
  route: ["weights", "choice"],
  dispatch: ["slots"],
};

export function exposeInside(graph: Graph): Graph {
  const values = new Map(graph.values);
  const rows: InputName = "rows";
  const live = values.has(rows) ? whole(rows) : undefined;
  const copyOf = (x: Ref, out: Ref): Node => nodeOf("copy", { x, live }, { out });
  const sections = graph.sections.map((section): Section => {
    if (section.role === "layer") return exposeLayer(graph, values, section, live, copyOf);
    if (section.role !== "embed") return section;
    const name: OutputName = "embedded";
    const x = values.get("x")!;
    values.set(name, { ...x, name, storage: "output" });
    return { ...section, nodes: [...section.nodes, copyOf(whole("x"), whole(name))] };
  });
  return { ...graph, values, sections };
}

function exposeLayer(
  graph: Graph,
  values: Map<string, Value>,
  section: Section,
  live: Ref | undefined,
  copyOf: (x: Ref, out: Ref) => Node,
): Section {
  const layered = (value: Omit<Value, "slices" | "layered">): Ref => {
    values.set(value.name, { ...value, slices: section.times, layered: true });
    return each(value.name);
  };
  const renamed = new Map<string, Ref>();
  for (const { op, outs } of section.nodes)
    for (const argument of shown[op] ?? []) {
      const { value } = outs[argument]!;
      renamed.set(value, layered({ ...values.get(value)!, name: nameIn("layer", value), storage: "output" }));
      values.delete(value);
    }
  const now = (refs: Readonly<Record<string, Ref>>): Record<string, Ref> =>
    Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, renamed.get(ref.value) ?? ref]));
  const nodes = section.nodes
    .map((node) => ({ ...node, ins: now(node.ins), outs: now(node.outs) }))
    .flatMap((node) => (node.op === "attention" ? inTwoSteps(graph, node, live, layered) : [node]));
  const { to } = section.carries[0]!;
  const residual = layered({ ...values.get(to)!, name: LAYERS_RESIDUAL, storage: "output" });
  return { ...section, nodes: [...nodes, copyOf(whole(to), residual)] };
}

/** Attention as its weights, and their sums of values. */
function inTwoSteps(
  graph: Graph,
  { ins, outs, attrs }: Node,
  live: Ref | undefined,
  layered: (value: Omit<Value, "slices" | "layered">) => Ref,
): readonly Node[] {
  const { qkv, window } = ins as { readonly qkv: Ref; readonly window?: Ref };
  const out = outs["out"]!;
  const rows = refShape(graph, out)[0]!;
  const heads = attrs["heads"] as number;
  const names = insideNames(nameIn("layer", out.value.replace(/\.attended$/, "")));
  const f32 = { dtype: "f32" } as const;
  const weights = layered({ ...f32, name: names.weights, shape: [rows, heads, rows], storage: "output" });
  const scales = layered({ ...f32, name: names.scales, shape: [heads], storage: "input" });
  return [
    nodeOf("attention_weights", { qkv, window, live }, { weights }, attrs),
    nodeOf("attention_sum", { weights, qkv, scales, live }, { out }, attrs),
  ];
}
