/**
 * Adds the update: the global norm of all gradients, then AdamW with clipping in one pass over all trained
 * parameters (Loshchilov & Hutter 2019). In memory these stand one after the other, matrices before vectors,
 * because only matrices decay; gradients and moments stand in the same order. Each is therefore one region,
 * and the update needs two kernels, however many tensors there are.
 */
import type { Storage } from "../../runtime/contract/storage.ts";
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import { GRAD_NORM_CHUNK } from "../ops/optimizer/grad_norm.ts";
import { nodeOf } from "../3-graph/node.ts";
import {
  hyperOf,
  isTrained,
  whole,
  type Graph,
  type Node,
  type Ref,
  type Section,
  type Value,
} from "../3-graph/ir.ts";

const LINE = 64; // bytes of a region's row of 16 floats

export function addOptimizer(graph: Graph): Graph {
  const values = new Map(graph.values);
  const parameters = [...values.values()].filter(isTrained);
  if (parameters.length === 0) throw new Error("there is no parameter to train");
  const ordered = [...parameters.filter((v) => v.decay), ...parameters.filter((v) => !v.decay)];
  declareState(values, ordered);
  const update: Section = {
    name: "update",
    role: "update",
    times: 1,
    order: "up",
    carries: [],
    nodes: [...globalNorm(values, ordered), ...updates(values, ordered)],
  };
  return { ...graph, values, sections: [...graph.sections, update] };
}

/** A gradient and two moments of each parameter, in the parameters' order. */
function declareState(values: Map<string, Value>, parameters: readonly Value[]): void {
  for (const { init: _, decay: __, ...parameter } of parameters)
    for (const storage of ["gradient", "moment1", "moment2"] as const) {
      const name = `${parameter.name}.${suffix[storage]}`;
      values.delete(name); // it moves to the end, so that all stand in the parameters' order
      values.set(name, { ...parameter, name, storage, of: parameter.name });
    }
}

/** Declares a view of what belongs to these parameters: one tensor [lines, 16]. */
function region(
  values: Map<string, Value>,
  name: string,
  storage: keyof typeof suffix | "parameter",
  parameters: readonly Value[],
): Ref {
  const lines = parameters.reduce((sum, p) => sum + (p.slices * tensorBytes(p.shape)) / LINE, 0);
  const members = parameters.map((p) => (storage === "parameter" ? p.name : `${p.name}.${suffix[storage]}`));
  values.set(name, { name, shape: [lines, 16], dtype: "f32", storage, slices: 1, members });
  return whole(name);
}

function globalNorm(values: Map<string, Value>, parameters: readonly Value[]): readonly Node[] {
  const g = region(values, "gradients", "gradient", parameters);
  const chunks = Math.ceil(values.get(g.value)!.shape[0]! / GRAD_NORM_CHUNK);
  const declare = (name: string, length: number, storage: Storage): Ref => {
    values.set(name, { name, shape: [length], dtype: "f32", storage, slices: 1 });
    return whole(name);
  };
  const partial = declare("norm_partial", chunks, "activation");
  const norm = declare("norm", 1, "output");
  return [nodeOf("grad_norm", { g }, { partial }), nodeOf("grad_norm_total", { partial }, { norm })];
}

/** A kernel for matrices, which decay, and one for vectors, which do not. */
function updates(values: Map<string, Value>, parameters: readonly Value[]): readonly Node[] {
  const hyper = hyperOf(values);
  return (["matrices", "vectors"] as const).flatMap((kind) => {
    const decay = kind === "matrices";
    const members = parameters.filter((p) => p.decay === decay);
    if (members.length === 0) return [];
    const p = region(values, `parameters.${kind}`, "parameter", members);
    const g = region(values, `gradients.${kind}`, "gradient", members);
    const m = region(values, `moments1.${kind}`, "moment1", members);
    const v = region(values, `moments2.${kind}`, "moment2", members);
    const ins = { p, g, m, v, hyper, norm: whole("norm") };
    return [nodeOf("adamw", ins, { p_out: p, m_out: m, v_out: v }, { decay })];
  });
}

const suffix = { gradient: "grad", moment1: "moment1", moment2: "moment2" } as const;
