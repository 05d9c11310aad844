/** What holds of every graph, after every pass. A violation is a bug of ours: it throws, naming the pass. */
import { shapeOf, unify } from "../ops/kit/signature.ts";
import { ops } from "../ops/index.ts";
import type { Op } from "../ops/kit/op.ts";
import { printNode } from "./print.ts";
import { printRef, refShape, type Graph, type Node, type Ref, type Term } from "./ir.ts";

export function verifyGraph(graph: Graph, after: string): void {
  const fail = (what: string): never => {
    throw new Error(`graph ${graph.entry} after ${after}: ${what}`);
  };
  const written = new Set<string>(
    [...graph.values.values()]
      .filter((v) => v.storage !== "activation" && v.storage !== "output")
      .map((v) => v.name),
  );
  for (const term of graph.objective) verifyTerm(graph, term, (what) => fail(`objective: ${what}`));
  const names = graph.sections.map((s) => s.name);
  if (new Set(names).size < names.length) fail(`two sections with the same name: ${names.join(", ")}`);
  for (const section of graph.sections) {
    const forward = graph.sections.find((s) => s.name === section.of);
    if (section.of !== undefined && forward?.role !== section.role)
      fail(`${section.name} is the backward of ${section.of}, of which there is none in this role`);
    for (const { from, to } of section.carries)
      for (const name of [from, to])
        if (graph.values.get(name)?.storage !== "activation")
          fail(`carry of ${name}, which is no activation`);
    for (const node of section.nodes) {
      const where = `section ${section.name}: ${printNode(node)}`;
      verifyNode(graph, node, (what) => fail(`${where}: ${what}`));
      for (const ref of [...Object.values(node.ins), ...Object.values(node.outs)])
        verifySlice(graph, ref, section.times, (what) => fail(`${where}: ${what}`));
      for (const ref of Object.values(node.ins))
        if (!written.has(ref.value)) fail(`${where}: ${ref.value} is read before it is written`);
      for (const ref of Object.values(node.outs)) written.add(ref.value);
    }
  }
}

function verifyTerm(graph: Graph, { value, weights }: Term, fail: (what: string) => never): void {
  const [shape, weighed] = [value, weights ?? value].map((ref) => {
    if (graph.values.get(ref.value)?.dtype !== "f32") fail(`${printRef(ref)} is no tensor of f32`);
    return refShape(graph, ref);
  });
  if (`${shape}` !== `${weighed}`) fail(`${printRef(value)} is [${shape}], its weights [${weighed}]`);
}

function verifyNode(graph: Graph, node: Node, fail: (what: string) => never): void {
  const op: Op = ops[node.op];
  const given = { ...node.ins, ...node.outs };
  for (const name of Object.keys(given))
    if (!op.tensors.some((t) => t.name === name)) fail(`${node.op} has no tensor ${name}`);
  for (const t of op.tensors) if (!t.optional && !given[t.name]) fail(`${t.name} is missing`);
  const shapes = Object.fromEntries(Object.entries(given).map(([name, ref]) => [name, refShape(graph, ref)]));
  const d = unify(op, shapes);
  for (const t of op.tensors) {
    const ref = given[t.name];
    if (!ref) continue;
    if (graph.values.get(ref.value)!.dtype !== t.dtype) fail(`${t.name} must be ${t.dtype}`);
    if (`${shapeOf(t, d)}` !== `${shapes[t.name]}`)
      fail(`${t.name} is [${shapes[t.name]}], expected [${shapeOf(t, d)}]`);
  }
  if ((op.accumulates?.length ?? 0) > 0 !== (node.accumulate !== undefined))
    fail(`accumulate is ${node.accumulate}`);
}

function verifySlice(graph: Graph, ref: Ref, times: number, fail: (what: string) => never): void {
  const value = graph.values.get(ref.value);
  if (!value) return void fail(`no value ${ref.value}`);
  if (ref.slice.kind === "all") return;
  const last = ref.slice.step * (times - 1) + ref.slice.base;
  if (ref.slice.base < 0 || last >= value.slices)
    fail(`${printRef(ref)} reaches slice ${last} of ${value.slices}`);
}
