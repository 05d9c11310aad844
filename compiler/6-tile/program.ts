/**
 * From a graph to a program: every node becomes a call of a kernel whose sizes and tiles are known. Nothing
 * is placed in memory yet.
 */
import { leastTraffic, touchedBytes, type Op } from "../ops/kit/op.ts";
import { unify } from "../ops/kit/signature.ts";
import type { Applied } from "../../runtime/contract/profile-site.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { ops } from "../ops/index.ts";
import { printNode, sectionTitle } from "../3-graph/print.ts";
import { refShape, type Graph, type Node, type Section } from "../3-graph/ir.ts";
import { kernelSpec, scratchOf, tasksOf, type KernelSpec } from "./kernel-spec.ts";
import { chosenFor, type ChosenTiles } from "./chosen-tiles.ts";

export interface Call {
  readonly node: Node;
  readonly spec: KernelSpec;
}

export interface ProgramSection extends Omit<Section, "nodes"> {
  readonly calls: readonly Call[];
}

export interface Program {
  readonly target: Target;
  readonly graph: Graph;
  readonly sections: readonly ProgramSection[];
}

/** `chosen`: tiles that replace the operations' own, where it has some. */
export function tileGraph(graph: Graph, target: Target, chosen?: ChosenTiles): Program {
  const call = (node: Node): Call => {
    const op: Op = ops[node.op];
    const tensors = { ...node.ins, ...node.outs };
    const shapes = Object.fromEntries(
      Object.entries(tensors).map(([name, ref]) => [name, refShape(graph, ref)]),
    );
    const spec = kernelSpec(node.op, op, unify(op, shapes), node.attrs, Object.keys(tensors), target);
    return { node, spec: { ...spec, tiles: chosenFor(chosen, spec) ?? spec.tiles } };
  };
  return {
    target,
    graph,
    sections: graph.sections.map(({ nodes, ...s }) => ({ ...s, calls: nodes.map(call) })),
  };
}

/** Arithmetic of one run of the entry, in floating-point operations. */
export const programFlops = (p: Pick<Program, "sections">): number =>
  p.sections.reduce((sum, s) => sum + s.times * s.calls.reduce((k, c) => k + callFlops(c), 0), 0);

export const callFlops = ({ spec }: Call): number => spec.op.flops(spec.d, spec.attrs);

/** Bytes that one call must move at least. */
export const callBytes = ({ spec: { op, d, attrs, tensors } }: Call): number =>
  leastTraffic(op, d, attrs, (t) => tensors.includes(t));
/** Bytes of memory that one call touches. */
export const callTouches = ({ spec: { op, d, attrs, tensors } }: Call): number =>
  touchedBytes(op, d, attrs, (t) => tensors.includes(t));

/** What one call applies to numbers one by one, beside its floating-point operations. */
export const callApplies = ({ spec: { op, d, attrs, tensors } }: Call): Applied | undefined =>
  op.applies?.(d, attrs, (t) => tensors.includes(t));

/** Scratch per worker that the whole program needs: kernels run one after the other, so the largest. */
export const programScratch = (p: Program): number =>
  Math.max(0, ...p.sections.flatMap((s) => s.calls.map((c) => scratchOf(c.spec))));

export function printProgram(p: Program): string {
  const row = ({ node, spec }: Call): string => {
    const pairs = (o: Readonly<Record<string, unknown>>) =>
      Object.entries(o)
        .map(([k, v]) => `${k}=${v}`)
        .join(" ");
    const tiles = Object.keys(spec.tiles).length ? [`tiles ${pairs(spec.tiles)}`] : [];
    const cost = [`tasks ${tasksOf(spec)}`, `scratch ${scratchOf(spec)} B`];
    return `  ${printNode(node)}\n      ${[pairs(spec.d), ...tiles, ...cost].join("   ")}`;
  };
  return (
    [
      `program ${p.graph.entry} for ${p.target}`,
      ...p.sections.flatMap((s) => [sectionTitle(s), ...s.calls.map(row)]),
    ].join("\n") + "\n"
  );
}
