/**
 * What two models of the same structure have in common: the graph of their training with sizes left out.
 * Operations, what they read of each other, norms, activations and constants of rope count; widths, heads,
 * layers, vocabulary, contexts and experts do not. Its hash names the structure.
 */
import { sha256 } from "../../runtime/contract/sha256.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { buildGraph } from "../3-graph/build.ts";
import type { Graph, Node, Ref } from "../3-graph/ir.ts";

/** Attributes that are sizes; those of a pattern of windows are sizes where they are not 0. */
const sizes: ReadonlySet<string> = new Set([
  "heads",
  "kv_heads",
  "head_dim",
  "context",
  "window",
  "original",
]);

/** The structure as text, a line for each operation. */
export function structureText(model: Model): string {
  const graph = buildGraph(model, { entry: "train", batch: 1, context: 1 });
  const numbers = new Map<string, number>();
  const lines = graph.sections.flatMap(({ role, nodes, carries }) => [
    `section ${role}`,
    ...nodes.map((node) => nodeLine(graph, node, numbers)),
    ...carries.map(({ from, to }) => `  carry ${numberOf(to, numbers)} → ${numberOf(from, numbers)}`),
  ]);
  return `${lines.join("\n")}\n`;
}

export const structureHash = (model: Model): Promise<string> => sha256(structureText(model));

function nodeLine(graph: Graph, { op, ins, outs, attrs }: Node, numbers: Map<string, number>): string {
  const refs = (named: Readonly<Record<string, Ref>>): string[] =>
    Object.entries(named).map(([argument, { value }]) => {
      const { storage, shape, slices } = graph.values.get(value)!;
      const kind = `${storage}${shape.length}${slices > 1 ? " layered" : ""}`;
      return `${argument}=${kind} ${numberOf(value, numbers)}`;
    });
  const said = Object.entries(attrs).flatMap(([name, value]) =>
    sizes.has(name) ? [] : [`${name}:${name === "pattern" ? patternOf(`${value}`) : value}`],
  );
  return `  ${[op, ...said, ...refs(ins), "→", ...refs(outs)].join(" ")}`;
}

/** "256_0" of windows: which layers have one. */
const patternOf = (windows: string): string => windows.replaceAll(/[1-9]\d*/g, "w");

/** Values are numbered as they come, since their names may hold sizes. */
function numberOf(value: string, numbers: Map<string, number>): number {
  const number = numbers.get(value) ?? numbers.size;
  numbers.set(value, number);
  return number;
}
