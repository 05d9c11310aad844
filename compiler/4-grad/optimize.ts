/**
 * Adds the update: the global norm of all gradients, then AdamW with clipping in one pass over all trained
 * parameters (Loshchilov & Hutter 2019). In memory these stand one after the other, matrices before vectors,
 * because only matrices decay; gradients and moments stand in the same order. Each is therefore one region,
 * and the update needs two kernels, however many tensors there are.
 *
 * With `adamw8`, moments of large matrices are codes (runtime/contract/moment-codes.ts). Such matrices come
 * first, and each has a kernel for all of its layers: it says where a layer's scales are.
 *
 * A partition's norm is that of the whole model: the sums of its own gradients leave it, and the norm comes
 * in (runtime/engine/gradient-norm.ts).
 */
import {
  LEAST_IN_BLOCKS,
  MOMENT_BLOCK,
  MOMENT_ROW_WORDS,
  momentRows,
} from "../../runtime/contract/moment-codes.ts";
import { normChunks } from "../../runtime/contract/gradient-norm.ts";
import type { Optimizer } from "../../runtime/contract/model.ts";
import type { OutputName, TensorName } from "../../runtime/contract/entries.ts";
import type { Storage } from "../../runtime/contract/storage.ts";
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import { slicesText } from "../ops/optimizer/grad_norm.ts";
import { nodeOf } from "../3-graph/node.ts";
import {
  all,
  hyperOf,
  isPartition,
  isTrained,
  whole,
  type Graph,
  type Node,
  type Ref,
  type Section,
  type Value,
} from "../3-graph/ir.ts";

/** Floats of a region's row. */
const LINE = 16;

export function addOptimizer(graph: Graph, optimizer: Optimizer = "adamw"): Graph {
  const values = new Map(graph.values);
  const parameters = [...values.values()].filter(isTrained);
  const divided = isPartition(graph);
  if (parameters.length === 0) {
    if (divided) return graph; // what is trained is in other memories
    throw new Error("there is no parameter to train");
  }
  const matrices = parameters.filter((v) => v.decay);
  const inCodes = optimizer === "adamw8" ? matrices.filter(fillsBlocks) : [];
  const plain = matrices.filter((v) => !inCodes.includes(v));
  const vectors = parameters.filter((v) => !v.decay);
  const ordered = [...inCodes, ...plain, ...vectors];
  declareState(values, ordered, inCodes);
  const norm = globalNorm(values, ordered, divided);
  const updates = [
    ...inCodes.map((p) => updateInCodes(values, p)),
    ...update(values, "matrices", plain),
    ...update(values, "vectors", vectors),
  ];
  const sections = divided
    ? [section("norm", norm), section("update", updates)]
    : [section("update", [...norm, ...updates])];
  return { ...graph, values, sections: [...graph.sections, ...sections] };
}

const section = (name: string, nodes: readonly Node[]): Section => ({
  name,
  role: "update",
  times: 1,
  order: "up",
  carries: [],
  nodes,
});

/** Bytes of a block of floats. */
const BLOCK_BYTES = 4 * MOMENT_BLOCK;

/** Whether a layer's matrix is large enough for moments in 8 bits, and made of whole blocks. */
const fillsBlocks = ({ shape }: Value): boolean =>
  shape.reduce((a, b) => a * b, 1) >= LEAST_IN_BLOCKS && tensorBytes(shape) % BLOCK_BYTES === 0;

const blocksOf = ({ shape }: Value): number => tensorBytes(shape) / BLOCK_BYTES;

/** A gradient and two moments of each parameter, in the parameters' order. */
function declareState(
  values: Map<string, Value>,
  parameters: readonly Value[],
  inCodes: readonly Value[],
): void {
  for (const parameter of parameters) {
    const { init: _, decay: __, ...like } = parameter;
    const shape = [momentRows(blocksOf(parameter)), MOMENT_ROW_WORDS];
    const codes = inCodes.includes(parameter) ? ({ shape, dtype: "i32" } as const) : {};
    for (const storage of ["gradient", "moment1", "moment2"] as const) {
      const name = `${parameter.name}.${suffix[storage]}`;
      values.delete(name); // it moves to the end, so that all stand in the parameters' order
      values.set(name, { ...like, ...(storage !== "gradient" && codes), name, storage, of: parameter.name });
    }
  }
}

/** Declares a view of what belongs to these parameters: one tensor of rows of so many floats. */
function region(
  values: Map<string, Value>,
  name: string,
  storage: keyof typeof suffix | "parameter",
  parameters: readonly Value[],
  row = LINE,
): Ref {
  const rows = parameters.reduce((sum, p) => sum + (p.slices * tensorBytes(p.shape)) / (4 * row), 0);
  const members = parameters.map((p) => (storage === "parameter" ? p.name : `${p.name}.${suffix[storage]}`));
  values.set(name, { name, shape: [rows, row], dtype: "f32", storage, slices: 1, members });
  return whole(name);
}

/** Of a partition, the chunks' sums alone: they are an output then, and the norm is an input. */
function globalNorm(
  values: Map<string, Value>,
  parameters: readonly Value[],
  divided: boolean,
): readonly Node[] {
  const g = region(values, "gradients", "gradient", parameters);
  const bytes = parameters.flatMap(({ slices, shape }) =>
    Array.from({ length: slices }, () => tensorBytes(shape)),
  );
  const chunks = bytes.reduce((sum, n) => sum + normChunks(n), 0);
  const declare = (name: string, length: number, storage: Storage): Ref => {
    values.set(name, { name, shape: [length], dtype: "f32", storage, slices: 1 });
    return whole(name);
  };
  const partial = declare("norm_partial" satisfies OutputName, chunks, divided ? "output" : "activation");
  const norm = declare("norm" satisfies TensorName, 1, divided ? "input" : "output");
  const sums = nodeOf("grad_norm", { g }, { partial }, { slices: slicesText(bytes) });
  return divided ? [sums] : [sums, nodeOf("grad_norm_total", { partial }, { norm })];
}

/** The kernel of all matrices, which decay, or of all vectors, which do not. */
function update(
  values: Map<string, Value>,
  kind: "matrices" | "vectors",
  members: readonly Value[],
): readonly Node[] {
  if (members.length === 0) return [];
  const p = region(values, `parameters.${kind}`, "parameter", members);
  const g = region(values, `gradients.${kind}`, "gradient", members);
  const m = region(values, `moments1.${kind}`, "moment1", members);
  const v = region(values, `moments2.${kind}`, "moment2", members);
  const ins = { p, g, m, v, hyper: hyperOf(values), norm: whole("norm") };
  return [nodeOf("adamw", ins, { p_out: p, m_out: m, v_out: v }, { decay: kind === "matrices" })];
}

/** The kernel of a matrix of all layers whose moments are codes. */
function updateInCodes(values: Map<string, Value>, parameter: Value): Node {
  const { name } = parameter;
  const p = region(values, `${name}.blocks`, "parameter", [parameter], MOMENT_BLOCK);
  const g = region(values, `${name}.grad.blocks`, "gradient", [parameter], MOMENT_BLOCK);
  const [m, v] = [all(`${name}.${suffix.moment1}`), all(`${name}.${suffix.moment2}`)];
  const ins = { p, g, m, v, hyper: hyperOf(values), norm: whole("norm") };
  return nodeOf(
    "adamw8",
    ins,
    { p_out: p, m_out: m, v_out: v },
    {
      blocks: blocksOf(parameter),
      layered: parameter.layered === true,
    },
  );
}

const suffix = { gradient: "grad", moment1: "moment1", moment2: "moment2" } as const;
