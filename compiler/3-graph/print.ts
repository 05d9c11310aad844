/** A graph as text: stable, so that golden files and `--dump` can be compared. */
import type { Model } from "../../runtime/contract/model.ts";
import { printRef, type Graph, type Node, type Ref, type Section, type Term, type Value } from "./ir.ts";
import type { Partition } from "./partition.ts";
import { wholeModel } from "./segment.ts";

const refs = (named: Readonly<Record<string, Ref>>): string =>
  Object.entries(named)
    .map(([arg, ref]) => `${arg}=${printRef(ref)}`)
    .join(" ");
const attrs = (node: Node): string =>
  Object.entries(node.attrs)
    .map(([k, v]) => ` ${k}:${v}`)
    .join("");

export function printNode(node: Node): string {
  const accumulate = node.accumulate ? ` += ${node.accumulate}` : "";
  return `${node.op}${attrs(node)} (${refs(node.ins)}) -> ${refs(node.outs)}${accumulate}`;
}

const roleOf = ({ role, of }: Section): string => (of === undefined ? role : `${role}, backward of ${of}`);

/** "section layer × 12 up" */
export const sectionTitle = ({ name, times, order }: Pick<Section, "name" | "times" | "order">): string =>
  `section ${name}${times > 1 ? ` × ${times} ${order}` : ""}`;

function printSection(s: Section): string[] {
  const carries = s.carries.map((c) => ` carry ${c.to} → ${c.from}`).join("");
  return [`${sectionTitle(s)}: ${roleOf(s)}${carries}`, ...s.nodes.map((n) => `  ${printNode(n)}`)];
}

export function printValue(v: Value): string {
  const slices = v.slices > 1 || v.layered ? `${v.slices} × ` : "";
  const dtype = v.dtype === "f32" ? "" : ` ${v.dtype}`;
  const of = v.of ? ` of ${v.of}` : "";
  const members = v.members ? ` = ${v.members.length} tensors` : "";
  return `${v.storage.padEnd(10)} ${v.name} ${slices}[${v.shape}]${dtype}${of}${members}`;
}

const printTerm = ({ value, weights }: Term): string =>
  `objective ${printRef(value)} · ${weights ? printRef(weights) : "hyper.scale"}`;

export const printGraph = (g: Graph): string =>
  [
    `graph ${g.entry}`,
    ...[...g.values.values()].map((v) => `  ${printValue(v)}`),
    ...g.sections.flatMap(printSection),
    ...g.objective.map(printTerm),
  ].join("\n") + "\n";

/** What a partition holds, for people: "embedding, layers 0…22, output". */
export function partitionText(model: Pick<Model, "sizes">, partition: Partition): string {
  const [only, ...others] = partition;
  if (others.length === 0 && JSON.stringify(only) === JSON.stringify(wholeModel(model))) return "all of it";
  const layers = partition
    .filter((s) => s.to > s.from)
    .map(({ from, to }) => (to - from === 1 ? `layer ${from}` : `layers ${from}…${to - 1}`));
  return [
    ...(partition.some((s) => s.embed) ? ["embedding"] : []),
    ...layers,
    ...(partition.some((s) => s.output) ? ["output"] : []),
  ].join(", ");
}
