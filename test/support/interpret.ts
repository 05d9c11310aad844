/**
 * A graph run in f64 by its operations' references, node by node: no kernels, no memory plan, no rounding.
 * What a pass has made of a graph can thus be held against finite differences.
 */
import { refShape, type Graph, type Node, type Ref, type Value } from "../../compiler/3-graph/ir.ts";
import { type Op } from "../../compiler/ops/kit/op.ts";
import { unify } from "../../compiler/ops/kit/signature.ts";
import { ops } from "../../compiler/ops/index.ts";
import { elements } from "../../bench/measure/kernel-numbers.ts";

/** Value → its slices, dense. */
export type Numbers = Map<string, Float64Array[]>;

/**
 * What the graph leaves behind, given what is there before: inputs and parameters. Sections of an update are
 * not run: their regions are views of memory, which there is none of.
 */
export function interpret(graph: Graph, given: Numbers): Numbers {
  const numbers: Numbers = new Map();
  for (const value of graph.values.values())
    if (!value.members) numbers.set(value.name, sliced(joined(given.get(value.name) ?? []), value));
  for (const section of graph.sections.filter((s) => s.role !== "update"))
    for (let n = 0; n < section.times; n++) {
      const i = section.order === "up" ? n : section.times - 1 - n;
      for (const node of section.nodes) runNode(graph, numbers, node, i, n);
      for (const { from, to } of section.carries) numbers.get(from)![0]!.set(numbers.get(to)![0]!);
    }
  return numbers;
}

/** `i`: number of the slice that x[i] means. `n`: iterations before this one. */
function runNode(graph: Graph, numbers: Numbers, node: Node, i: number, n: number): void {
  const op: Op = ops[node.op];
  const tensors = Object.entries({ ...node.ins, ...node.outs });
  const d = unify(op, Object.fromEntries(tensors.map(([name, ref]) => [name, refShape(graph, ref)])));
  const places = Object.fromEntries(tensors.map(([name, ref]) => [name, placesOf(numbers, ref, i)]));
  const filled = Object.fromEntries(Object.entries(places).map(([name, slices]) => [name, joined(slices)]));
  const adds = node.accumulate === "always" || (node.accumulate === "iterations" && n > 0);
  op.reference(filled, d, { ...op.attrs, ...node.attrs }, adds);
  for (const name of Object.keys(node.outs)) {
    let from = 0;
    for (const slice of places[name]!) {
      slice.set(filled[name]!.subarray(from, from + slice.length));
      from += slice.length;
    }
  }
}

function placesOf(numbers: Numbers, { value, slice }: Ref, i: number): readonly Float64Array[] {
  const slices = numbers.get(value)!;
  return slice.kind === "all" ? slices : [slices[slice.step * i + slice.base]!];
}

/** An array of that many slices; zeros where nothing was given. */
function sliced(all: Float64Array, { shape, slices }: Value): Float64Array[] {
  const length = elements(shape);
  return Array.from({ length: slices }, (_, i) => {
    const slice = new Float64Array(length);
    slice.set(all.subarray(i * length, (i + 1) * length));
    return slice;
  });
}

function joined(slices: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(slices.reduce((sum, s) => sum + s.length, 0));
  let from = 0;
  for (const slice of slices) {
    all.set(slice, from);
    from += slice.length;
  }
  return all;
}
