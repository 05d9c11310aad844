/**
 * The update: global norm of all gradients, then AdamW with clipping in one pass over all parameters that are
 * trained (Loshchilov & Hutter 2019). These stand in memory one after the other, matrices (with weight decay)
 * before vectors (without), and gradients and moments in the same order; so each of them is one region, and
 * the update two kernels however many tensors there are.
 */
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import { GRAD_NORM_CHUNK } from "../ops/optimizer/grad_norm.ts";
import { nodeOf } from "../3-graph/node.ts";
import { hyperOf, isTrained, whole, type Graph, type Node, type Value } from "../3-graph/ir.ts";

const LINE = 64; // bytes of a region's row of 16 floats

export function addOptimizer(graph: Graph): Graph {
  const values = new Map(graph.values);
  const parameters = [...values.values()].filter(isTrained);
  if (parameters.length === 0) throw new Error("there is no parameter to train");
  const ordered = [...parameters.filter((v) => v.decay), ...parameters.filter((v) => !v.decay)];
  for (const p of ordered) {
    const { init: _, decay: __, ...shape } = p;
    for (const storage of ["gradient", "moment1", "moment2"] as const) {
      const name = `${p.name}.${suffix[storage]}`;
      values.delete(name); // so that all stand in the parameters' order
      values.set(name, { ...shape, name, storage, of: p.name });
    }
  }
  const region = (name: string, storage: keyof typeof suffix | "parameter", of: readonly Value[]): string => {
    const lines = of.reduce((sum, p) => sum + (p.slices * tensorBytes(p.shape)) / LINE, 0);
    values.set(name, {
      name,
      shape: [lines, 16],
      dtype: "f32",
      storage,
      slices: 1,
      members: of.map((p) => (storage === "parameter" ? p.name : `${p.name}.${suffix[storage]}`)),
    });
    return name;
  };
  const gradients = region("gradients", "gradient", ordered);
  const lines = values.get(gradients)!.shape[0]!;
  values.set("norm_partial", {
    name: "norm_partial",
    shape: [Math.ceil(lines / GRAD_NORM_CHUNK)],
    dtype: "f32",
    storage: "activation",
    slices: 1,
  });
  values.set("norm", { name: "norm", shape: [1], dtype: "f32", storage: "output", slices: 1 });
  const hyper = hyperOf(values);
  const nodes: Node[] = [
    nodeOf("grad_norm", { g: whole(gradients) }, { partial: whole("norm_partial") }),
    nodeOf("grad_norm_total", { partial: whole("norm_partial") }, { norm: whole("norm") }),
  ];
  for (const [kind, decay] of [
    ["matrices", true],
    ["vectors", false],
  ] as const) {
    const members = ordered.filter((p) => p.decay === decay);
    if (members.length === 0) continue;
    const p = whole(region(`parameters.${kind}`, "parameter", members));
    const g = whole(region(`gradients.${kind}`, "gradient", members));
    const m = whole(region(`moments1.${kind}`, "moment1", members));
    const v = whole(region(`moments2.${kind}`, "moment2", members));
    const ins = { p, g, m, v, hyper, norm: whole("norm") };
    nodes.push(nodeOf("adamw", ins, { p_out: p, m_out: m, v_out: v }, { decay }));
  }
  return {
    ...graph,
    values,
    sections: [
      ...graph.sections,
      { name: "update", role: "update", times: 1, order: "up", carries: [], nodes },
    ],
  };
}

const suffix = { gradient: "grad", moment1: "moment1", moment2: "moment2" } as const;
