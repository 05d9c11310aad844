/**
 * Applies the fusion rules until none fits, section by section, and keeps a record of what was joined and
 * what was not.
 */
import type { Graph, Node, Section } from "../3-graph/ir.ts";
import { printRef, sameRef } from "../3-graph/ir.ts";
import { rules, twins, type Rule } from "./rules.ts";

export interface FusionEvent {
  readonly section: string;
  readonly rule: string;
  readonly why: string;
  /** What became one: "matmul + bias → attention.qkv.out". */
  readonly what: string;
}

export function fuse(graph: Graph, record: (event: FusionEvent) => void = () => {}): Graph {
  const joined = joinNeighbours(graph);
  let current = joined;
  for (let next: Graph | null = current; next; next = fuseOnce(current, record)) current = next;
  return dropUnused(current);
}

/**
 * Head, loss and their backward run once, one after the other: they become one section, in which the loss and
 * its gradient stand side by side.
 */
function joinNeighbours(graph: Graph): Graph {
  const ofOutput = ({ role }: Section): boolean => role === "head" || role === "loss";
  const sections: Section[] = [];
  for (const s of graph.sections) {
    const before = sections.at(-1);
    if (before && ofOutput(before) && ofOutput(s))
      sections[sections.length - 1] = { ...before, nodes: [...before.nodes, ...s.nodes] };
    else sections.push(s);
  }
  return { ...graph, sections };
}

/** One rule at one place. */
function fuseOnce(graph: Graph, record: (event: FusionEvent) => void): Graph | null {
  for (const [index, section] of graph.sections.entries()) {
    const done = fuseTwins(section, record) ?? fuseSection(graph, section, record);
    if (done) return { ...graph, sections: graph.sections.with(index, done) };
  }
  return null;
}

function fuseSection(graph: Graph, section: Section, record: (event: FusionEvent) => void): Section | null {
  for (const rule of rules)
    for (const pair of pairsOf(section, rule)) {
      const { from, at } = pair;
      const fused = tryRule(graph, section, rule, pair);
      if (!fused) continue;
      const ops = `${section.nodes[from]!.op} + ${section.nodes[at]!.op}`;
      record({
        section: section.name,
        rule: rule.name,
        why: rule.why,
        what: `${ops} → ${printRef(Object.values(fused.outs)[0]!)}`,
      });
      return {
        ...section,
        nodes: section.nodes.flatMap((n, i) => (i === from ? [] : i === at ? [fused] : [n])),
      };
    }
  return null;
}

/** Where two nodes of a rule stand in a section, and the argument by which the second reads the first. */
interface Pair {
  readonly from: number;
  readonly at: number;
  readonly read: string;
}

function* pairsOf(section: Section, rule: Rule): Generator<Pair> {
  for (const [at, second] of section.nodes.entries()) {
    if (second.op !== rule.second) continue;
    for (const read of rule.reads) {
      const ref = second.ins[read]!;
      const from = section.nodes.findIndex(
        (n) => rule.first.includes(n.op) && n.outs[rule.out] && sameRef(n.outs[rule.out]!, ref),
      );
      if (from >= 0 && from < at) yield { from, at, read };
    }
  }
}

/** How many pairs of a rule stand in a graph: after fusion, those that it did not join. */
export const countPairs = (graph: Graph, rule: Rule): number =>
  graph.sections.reduce((sum, section) => sum + [...pairsOf(section, rule)].length, 0);

function tryRule(graph: Graph, section: Section, rule: Rule, { from, at, read }: Pair): Node | null {
  const first = section.nodes[from]!;
  const second = section.nodes[at]!;
  const between = first.outs[rule.out]!;
  const value = graph.values.get(between.value)!;
  const others = readers(graph, between.value) - 1;
  if (others > 0 && !rule.keep) return null;
  if (value.storage !== "activation" || isCarried(graph, value.name)) return null;
  // `first` moves down to `second`: nobody in between may need what it writes
  for (const node of section.nodes.slice(from + 1, at))
    if (Object.values(node.ins).some((r) => Object.values(first.outs).some((o) => o.value === r.value)))
      return null;
  const fused = rule.join(first, second, read);
  return fused && others > 0 ? { ...fused, outs: { ...fused.outs, [rule.keep!]: between } } : fused;
}

function fuseTwins(section: Section, record: (event: FusionEvent) => void): Section | null {
  for (const rule of twins) {
    const second = section.nodes.find((n) => n.op === rule.second);
    const first =
      second &&
      section.nodes.find(
        (n) => n.op === rule.first && sameRef(n.ins[rule.shared]!, second.ins[rule.shared]!),
      );
    if (!first || !second || waitsFor(section, first, second)) continue;
    const fused: Node = {
      op: rule.fused,
      ins: { ...first.ins, ...second.ins },
      outs: { ...first.outs, ...second.outs },
      attrs: second.attrs,
    };
    record({
      section: section.name,
      rule: rule.name,
      why: rule.why,
      what: `${rule.first} + ${rule.second} → ${Object.keys(fused.outs).join(", ")}`,
    });
    return {
      ...section,
      nodes: section.nodes.flatMap((n) => (n === first ? [fused] : n === second ? [] : [n])),
    };
  }
  return null;
}

/** The second reads what is written only after the first: a cotangent that is made of the loss itself. */
function waitsFor(section: Section, first: Node, second: Node): boolean {
  const read = new Set(Object.values(second.ins).map((r) => r.value));
  return section.nodes
    .slice(section.nodes.indexOf(first), section.nodes.indexOf(second))
    .some((n) => Object.values(n.outs).some((r) => read.has(r.value)));
}

const readers = (graph: Graph, value: string): number =>
  graph.sections.reduce(
    (sum, s) =>
      sum + s.nodes.reduce((k, n) => k + Object.values(n.ins).filter((r) => r.value === value).length, 0),
    0,
  );

const isCarried = (graph: Graph, value: string): boolean =>
  graph.sections.some((s) => s.carries.some((c) => c.from === value || c.to === value));

/** Values that no node touches any more need no memory. */
function dropUnused(graph: Graph): Graph {
  const used = new Set(
    graph.sections.flatMap((s) =>
      s.nodes.flatMap((n) => [...Object.values(n.ins), ...Object.values(n.outs)].map((r) => r.value)),
    ),
  );
  return {
    ...graph,
    values: new Map([...graph.values].filter(([name, v]) => v.storage !== "activation" || used.has(name))),
  };
}
