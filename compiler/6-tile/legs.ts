/**
 * The legs of a program. A partition of a model that trains computes until it needs what another memory has
 * not yet made: rows, their cotangent, or the norm of all gradients. There a leg ends, and the next one
 * begins; each is an export of its own. What a leg leaves in the arena is there for the ones after it.
 *
 *   first of two    embed, layer, leave │ leave_backward, layer_backward, embed_backward, norm │ update
 *   last of two     enter, layer, output, layer_backward, enter_backward, norm │ update
 *
 * Any other program has one leg.
 */
import { carried, legEntry, type TensorName } from "../../runtime/contract/entries.ts";
import type { EntryRun } from "../../runtime/contract/manifest.ts";
import type { Graph } from "../3-graph/ir.ts";
import type { Program, ProgramSection } from "./program.ts";

type Takes = NonNullable<EntryRun["takes"]>;

export interface Leg {
  /** Of the export. */
  readonly name: string;
  /** What it waits for. Absent: nothing. */
  readonly takes?: Takes;
  readonly sections: readonly ProgramSection[];
}

/** The inputs that another memory makes. */
const arrivals: ReadonlyMap<string, Takes> = new Map<TensorName, Takes>([
  [carried.x.in, "x"],
  [carried.cotangent.in, "cotangent"],
  ["norm", "norm"],
]);

export function legsOf({ graph, sections }: Pick<Program, "graph" | "sections">): readonly Leg[] {
  const legs: { takes?: Takes; sections: ProgramSection[] }[] = [];
  const taken = new Set<string>();
  for (const section of sections) {
    const arriving = arrivalsOf(graph, section).find((name) => !taken.has(name));
    if (arriving !== undefined) taken.add(arriving);
    if (arriving !== undefined || legs.length === 0)
      legs.push({ ...(arriving !== undefined && { takes: arrivals.get(arriving)! }), sections: [section] });
    else legs.at(-1)!.sections.push(section);
  }
  return legs.map((leg, i) => ({ ...leg, name: legEntry(graph.entry, i) }));
}

const arrivalsOf = (graph: Graph, { calls }: ProgramSection): readonly string[] =>
  calls
    .flatMap(({ node }) => Object.values(node.ins).map((ref) => ref.value))
    .filter((name) => arrivals.has(name) && graph.values.get(name)!.storage === "input");

/**
 * The legs of all partitions in the order in which they run: forward through the memories, backward through
 * them in reverse, then the updates. Where both ends of the model are in the first memory, its second leg is
 * the end, to which the rows come from the last one.
 */
export function legOrder(partitions: readonly (readonly Leg[])[]): readonly EntryRun[] {
  const all = partitions.flatMap((legs, part) =>
    legs.map(({ name, takes }): EntryRun => ({ part, entry: name, ...(takes && { takes }) })),
  );
  const taking = (takes: EntryRun["takes"]) => all.filter((run) => run.takes === takes);
  const isEnd = ({ part }: EntryRun): boolean => part === 0; // takes x: its first leg begins the model
  return [
    ...taking(undefined),
    ...taking("x").toSorted((a, b) => Number(isEnd(a)) - Number(isEnd(b))),
    ...taking("cotangent").toReversed(),
    ...taking("norm"),
  ];
}
