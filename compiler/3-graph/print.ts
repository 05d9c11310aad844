/** A graph as text: stable, so that golden files and `--dump` can be compared. */
import { printRef, type Graph, type Node, type Ref, type Section, type Term, type Value } from "./ir.ts";

const refs = (named: Readonly<Record<string, Ref>>): string =>
  Object.entries(named)
    .map(([arg, ref]) => `${arg}=${printRef(ref)}`)
    .join(" ");
const attrs = (node: Node): string =>
  Object.entries(node.attrs)
    .map(([k, v]) => ` ${k}:${v}`)
    .join("");

export const printNode = (node: Node): string =>
  `${node.op}${attrs(node)} (${refs(node.ins)}) -> ${refs(node.outs)}${node.accumulate ? ` += ${node.accumulate}` : ""}`;

const roleOf = ({ role, of }: Section): string => (of === undefined ? role : `${role}, backward of ${of}`);

function printSection(s: Section): string[] {
  const carries = s.carries.map((c) => ` carry ${c.to} → ${c.from}`).join("");
  return [
    `section ${s.name}${s.times > 1 ? ` × ${s.times} ${s.order}` : ""}: ${roleOf(s)}${carries}`,
    ...s.nodes.map((n) => `  ${printNode(n)}`),
  ];
}

export const printValue = (v: Value): string =>
  `${v.storage.padEnd(10)} ${v.name} ${v.slices > 1 || v.layered ? `${v.slices} × ` : ""}[${v.shape}]${v.dtype === "f32" ? "" : ` ${v.dtype}`}${v.of ? ` of ${v.of}` : ""}${v.members ? ` = ${v.members.length} tensors` : ""}`;

const printTerm = ({ value, weights }: Term): string =>
  `objective ${printRef(value)} · ${weights ? printRef(weights) : "hyper.scale"}`;

export const printGraph = (g: Graph): string =>
  [
    `graph ${g.entry}`,
    ...[...g.values.values()].map((v) => `  ${printValue(v)}`),
    ...g.sections.flatMap(printSection),
    ...g.objective.map(printTerm),
  ].join("\n") + "\n";
