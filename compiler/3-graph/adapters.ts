/**
 * Adapters (LoRA, Hu et al. 2021): beside a linear map of the layers come two thin ones, of which the second
 * begins at 0, so that the model begins as it was. Everything else is left as it is.
 *
 *   before  out = matmul(x, W)                      and a bias, where there is one
 *   after   out = add(matmul(x, W), matmul(adapter_scale(matmul(x, A)), B))
 *
 * A [in, rank] begins as PEFT's: kaiming_uniform(√5), which is uniform in ±1/√in; B [rank, out] begins at 0.
 */
import { HYPER_FLOATS } from "../../runtime/contract/control.ts";
import { inputTensors, SPAN_FIELDS, type InputName } from "../../runtime/contract/entries.ts";
import type { Lora, Model, Part } from "../../runtime/contract/model.ts";
import type { Init } from "../../runtime/contract/storage.ts";
import { adapterOf, isAdapter, nameIn } from "../../runtime/contract/parameter-names.ts";
import { layerParts } from "../2-check/parameters.ts";
import { opOf } from "../ops/index.ts";
import { each, refShape, whole, type Graph, type Node, type Ref, type Section, type Value } from "./ir.ts";
import { nodeOf } from "./node.ts";

export interface AdapterOptions extends Pick<Lora, "rank" | "on"> {
  /** Whether each row of a batch says by how much its adapters count. */
  readonly byRow?: boolean;
  /** Of a run: how many lanes there are, each of which says whether adapters count for its text. */
  readonly byLane?: { readonly lanes: number; readonly spans: number } | undefined;
}

export function addAdapters(graph: Graph, model: Model, options: AdapterOptions): Graph {
  const parts = adaptedParts(model, options.on);
  const values = new Map(graph.values);
  const adapted = (section: Section): Section => ({
    ...section,
    nodes: section.nodes.flatMap((node, i) => {
      // a bias belongs to the map: products take it in, and the adapter's part comes after it
      const before = section.nodes[i - 1];
      const map = before && isBiasOf(node, before) ? before : node;
      const next = section.nodes[i + 1];
      const isLast = !next || !isBiasOf(next, node);
      return isLast && isAdapted(graph, map, parts) ? withAdapter(graph, values, node, map, options) : [node];
    }),
  });
  const sections = graph.sections.map((s) => (s.role === "layer" ? adapted(s) : s));
  const isAdaptedAtAll = [...values.keys()].some(isAdapter);
  const { byLane } = options;
  if (!byLane || !isAdaptedAtAll) return { ...graph, values, sections };
  return {
    ...graph,
    values,
    sections: sections.map((s) =>
      s.role === "embed" ? { ...s, nodes: [...s.nodes, rowsOfLanes(values, byLane)] } : s,
    ),
  };
}

/** [R]: 1 for each row of a lane whose text has adapters. Spans move within an entry, lanes do not. */
function rowsOfLanes(
  values: Map<string, Value>,
  { lanes, spans }: NonNullable<AdapterOptions["byLane"]>,
): Node {
  return nodeOf(
    "lane_rows",
    {
      lanes: inputOf(values, "adapted_lanes", [lanes]),
      spans: inputOf(values, "spans", [spans, SPAN_FIELDS]),
      span_count: spans > 1 ? inputOf(values, "span_count", [1]) : undefined,
    },
    { out: whole(ADAPTED_ROWS) },
  );
}

const ADAPTED_ROWS = "adapted_rows";

const isBiasOf = (node: Node, map: Node): boolean =>
  node.op === "bias" && node.ins["x"]!.value === map.outs["out"]!.value;

/** What the names of adapted parameters begin with. */
function adaptedParts(model: Model, on: Lora["on"]): readonly string[] {
  const kinds: Readonly<Record<Lora["on"][number], readonly Part["part"][]>> = {
    attention: ["attention"],
    mlp: ["mlp", "swiglu", "geglu"],
    linear: ["linear"],
    all: ["attention", "mlp", "swiglu", "geglu", "linear"],
  };
  const wanted = new Set(on.flatMap((word) => kinds[word]));
  return layerParts(model)
    .filter((p) => wanted.has(p.part))
    .map((p) => `${nameIn("layer", p.name)}.`);
}

const isAdapted = (graph: Graph, { op, ins }: Node, parts: readonly string[]): boolean =>
  op === "matmul" &&
  graph.values.get(ins["b"]!.value)!.storage === "parameter" &&
  parts.some((stem) => ins["b"]!.value.startsWith(stem));

/** `last`: the node that makes the map's result, its product or its bias. */
function withAdapter(
  graph: Graph,
  values: Map<string, Value>,
  last: Node,
  map: Node,
  { rank, byRow = false, byLane }: AdapterOptions,
): readonly Node[] {
  const weight = graph.values.get(map.ins["b"]!.value)!;
  const [K, N] = weight.shape as [number, number];
  const x = map.ins["a"]!;
  const out = last.outs["out"]!;
  const R = refShape(graph, x)[0]!;
  const parameter = (which: "a" | "b", shape: readonly number[], init: Init): Ref => {
    const name = adapterOf(weight.name, which);
    values.set(name, { ...weight, name, shape, init, decay: true });
    return each(name);
  };
  const made = (stem: string, shape: readonly number[]): Ref => {
    const name = `${out.value}.${stem}`;
    values.set(name, { name, shape, dtype: "f32", storage: "activation", slices: 1 });
    return whole(name);
  };
  const a = parameter("a", [K, rank], { kind: "uniform", bound: 1 / Math.sqrt(K) });
  const b = parameter("b", [rank, N], { kind: "constant", value: 0 });
  const [base, thin, scaled, delta] = [
    made("base", [R, N]),
    made("thin", [R, rank]),
    made("scaled", [R, rank]),
    made("adapter", [R, N]),
  ];
  const rows = byRow ? inputOf(values, "adapters", [R]) : byLane && adaptedRows(values, R);
  const hyper = inputOf(values, "hyper", [HYPER_FLOATS]);
  return [
    { ...last, outs: { ...last.outs, out: base } },
    ...[
      nodeOf("matmul", { a: x, b: a }, { out: thin }),
      nodeOf("adapter_scale", { x: thin, hyper, rows }, { out: scaled }),
      nodeOf("matmul", { a: scaled, b }, { out: delta }),
      nodeOf("add", { a: base, b: delta }, { out }),
    ].map((node) => ofLiveRows(graph, node)),
  ];
}

/** In a run of which some rows are not live, those are left out where the operation can. */
function ofLiveRows(graph: Graph, node: Node): Node {
  const rows = "rows" satisfies InputName;
  const canLeaveOut = opOf(node.op).tensors.some((t) => t.name === "live");
  return graph.values.has(rows) && canLeaveOut ? { ...node, ins: { ...node.ins, live: whole(rows) } } : node;
}

function adaptedRows(values: Map<string, Value>, R: number): Ref {
  values.set(ADAPTED_ROWS, {
    name: ADAPTED_ROWS,
    shape: [R],
    dtype: "f32",
    storage: "activation",
    slices: 1,
  });
  return whole(ADAPTED_ROWS);
}

function inputOf(values: Map<string, Value>, name: InputName, shape: readonly number[]): Ref {
  if (!values.has(name))
    values.set(name, { name, shape, storage: "input", slices: 1, ...inputTensors[name] });
  return whole(name);
}
