/**
 * Reverse-mode differentiation, graph → graph (Griewank & Walther 2008; sections as in a scan's transpose).
 * It begins at the objective's terms: a term's cotangent is its weights. Then it walks the sections backward;
 * each node's op says which nodes compute its cotangents (`Op.backward`). A section that runs × times up gets
 * a partner that runs × times down, whose carry is the cotangent of what the layers hand on. Cotangents of
 * one value from several uses are added; gradients of parameters are accumulated in place.
 *
 * Rows that another memory has made (`x_in`) have a cotangent too, which leaves as `d_x_in`.
 */
import { cotangentOf, primalOf } from "../ops/kit/cotangent.ts";
import type { InputName, OutputName } from "../../runtime/contract/entries.ts";
import type { GradNode, Op } from "../ops/kit/op.ts";
import { ops, type OpName } from "../ops/index.ts";
import { nodeOf } from "../3-graph/node.ts";
import {
  hyperOf,
  isTrained,
  refShape,
  whole,
  type Carry,
  type Graph,
  type Node,
  type Ref,
  type Section,
  type Term,
  type Value,
} from "../3-graph/ir.ts";

interface Tape {
  readonly values: Map<string, Value>;
  /** Cotangent of a value, as far as it is known. */
  readonly cotangents: Map<string, Ref>;
  /** Gradients that an earlier node of the backward run has written. */
  readonly written: Set<string>;
  nodes: Node[];
}

export function differentiate(graph: Graph): Graph {
  const tape: Tape = { values: new Map(graph.values), cotangents: new Map(), written: new Set(), nodes: [] };
  const backward = graph.sections.toReversed().map((section) => {
    const written = new Set(section.nodes.flatMap((n) => Object.values(n.outs).map((r) => r.value)));
    return transpose(
      tape,
      section,
      graph.objective.filter((t) => written.has(t.value.value)),
    );
  });
  return {
    ...graph,
    objective: [],
    values: tape.values,
    sections: [...graph.sections, ...backward.filter((s) => s.nodes.length > 0)],
  };
}

/** The partner of one section, which writes these terms of the objective. */
function transpose(tape: Tape, section: Section, terms: readonly Term[]): Section {
  tape.nodes = [];
  const arriving = section.carries.map(({ from, to }) => {
    const cotangent = tape.cotangents.get(from);
    tape.cotangents.delete(from);
    if (cotangent) tape.cotangents.set(to, cotangent);
    return { from, cotangent };
  });
  for (const { value, weights } of terms)
    addCotangent(
      tape,
      value,
      weights ? rowsOf(tape, value, weights) : defaultWeights(tape, refShape(tape, value)),
    );
  for (const node of section.nodes.toReversed()) transposeNode(tape, node);
  handBack(tape, section);
  const carries = arriving.flatMap(({ from, cotangent }): Carry[] => {
    const leaving = tape.cotangents.get(from);
    if (!cotangent || !leaving) return [];
    tape.cotangents.set(from, cotangent); // after the last iteration, the carry holds what left it
    return [{ from: cotangent.value, to: leaving.value }];
  });
  return {
    name: `${section.name}_backward`,
    role: section.role,
    of: section.name,
    times: section.times,
    order: section.order === "up" ? "down" : "up",
    carries,
    nodes: tape.nodes,
  };
}

function defaultWeights(tape: Tape, shape: readonly number[]): Ref {
  const name = fresh(tape, "default_weights");
  tape.values.set(name, { name, shape, dtype: "f32", storage: "activation", slices: 1 });
  tape.nodes.push(nodeOf("default_weight", { hyper: hyperOf(tape.values) }, { weights: whole(name) }));
  return whole(name);
}

/** What rows that leave for another memory weigh comes from there: a copy of it may be carried on. */
function rowsOf(tape: Tape, value: Ref, weights: Ref): Ref {
  if (weights.value !== ("d_x_out" satisfies InputName)) return weights;
  const cotangent = newCotangent(tape, tape.values.get(value.value)!);
  tape.nodes.push(nodeOf("copy", { x: weights }, { out: cotangent }));
  return cotangent;
}

/** The cotangent of rows that came from another memory, behind the section that has read them. */
function handBack(tape: Tape, { nodes }: Section): void {
  if (!nodes.some((n) => Object.values(n.ins).some((r) => r.value === ROWS_IN))) return;
  const cotangent = tape.cotangents.get(ROWS_IN);
  const out = whole("d_x_in" satisfies OutputName);
  if (cotangent) tape.nodes.push(nodeOf("copy", { x: cotangent }, { out }));
}

const ROWS_IN: InputName = "x_in";

function transposeNode(tape: Tape, node: Node): void {
  const op: Op = ops[node.op];
  if (!op.backward) return;
  const tensors: Tensors = { ...node.ins, ...node.outs };
  for (const step of op.backward((t) => tensors[t] !== undefined, { ...op.attrs, ...node.attrs }))
    if ("op" in step) addGradNode(tape, node, tensors, step);
    else {
      const cotangent = resolve(tape, tensors, step.equals);
      if (cotangent) addCotangent(tape, tensors[primalOf(step.cotangent)!]!, cotangent);
    }
}

/** The forward node's, by the names in its op's signature. */
type Tensors = Readonly<Record<string, Ref>>;

function addGradNode(tape: Tape, node: Node, tensors: Tensors, step: GradNode): void {
  const op: Op = ops[step.op as OpName]; // checked by the table's type
  const ins: Record<string, Ref> = {};
  for (const [arg, name] of Object.entries(step.ins)) {
    const ref = resolve(tape, tensors, name);
    if (ref) ins[arg] = ref;
    else if (primalOf(name) !== undefined) return; // nothing downstream depends on this output
    else if (!op.tensors.find((t) => t.name === arg)!.optional)
      throw new Error(`${node.op}'s gradient asks for ${name}`);
  }
  const outs: Record<string, Ref> = {};
  const cotangents: [Ref, Ref][] = [];
  const unwanted: [string, Value][] = [];
  let accumulate: Node["accumulate"] = "never";
  for (const [arg, name] of Object.entries(step.outs)) {
    const forward = tensors[primalOf(name)!];
    if (!forward) continue;
    const value = tape.values.get(forward.value)!;
    if (isTrained(value)) {
      const gradient = gradientOf(tape, value);
      outs[arg] = { ...forward, value: gradient };
      accumulate = tape.written.has(gradient) ? "always" : "flag";
      tape.written.add(gradient);
    } else if (value.storage === "activation" || value.storage === "output" || value.name === ROWS_IN) {
      outs[arg] = newCotangent(tape, value);
      cotangents.push([forward, outs[arg]]);
    } else unwanted.push([arg, value]);
  }
  if (Object.keys(outs).length === 0) return;
  for (const [arg, value] of unwanted)
    if (!op.tensors.find((t) => t.name === arg)!.optional) outs[arg] = newCotangent(tape, value);
  tape.nodes.push({
    op: step.op as OpName,
    ins,
    outs,
    attrs: step.attrs ?? {},
    ...((op.accumulates?.length ?? 0) > 0 && { accumulate }),
  });
  for (const [forward, cotangent] of cotangents) addCotangent(tape, forward, cotangent);
}

/** A tensor of the forward node, or the cotangent of one, as far as it is known. */
function resolve(tape: Tape, tensors: Tensors, name: string): Ref | undefined {
  if (tensors[name]) return tensors[name];
  const forward = tensors[primalOf(name) ?? ""];
  return forward && tape.cotangents.get(forward.value);
}

function newCotangent(tape: Tape, { name: of, shape }: Value): Ref {
  const name = fresh(tape, cotangentOf(of));
  tape.values.set(name, { name, shape, dtype: "f32", storage: "activation", slices: 1 });
  return whole(name);
}

function addCotangent(tape: Tape, forward: Ref, cotangent: Ref): void {
  const value = tape.values.get(forward.value)!;
  if (isTrained(value)) throw new Error(`a bare cotangent for parameter ${value.name}`);
  const before = tape.cotangents.get(forward.value);
  if (!before) return void tape.cotangents.set(forward.value, cotangent);
  const sum = newCotangent(tape, value);
  const op = value.shape.length === 1 ? "add_vector" : "add";
  tape.nodes.push(nodeOf(op, { a: before, b: cotangent }, { out: sum }));
  tape.cotangents.set(forward.value, sum);
}

function gradientOf(tape: Tape, parameter: Value): string {
  const name = `${parameter.name}.grad`;
  const { init: _, decay: __, ...shape } = parameter;
  if (!tape.values.has(name))
    tape.values.set(name, { ...shape, name, storage: "gradient", of: parameter.name });
  return name;
}

function fresh(tape: Tape, stem: string): string {
  let name = stem;
  for (let n = 2; tape.values.has(name); n++) name = `${stem}_${n}`;
  return name;
}
