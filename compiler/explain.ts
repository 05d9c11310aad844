/** `sinter explain SPEC [--fusion|--tiles|--arena]`: the reasons that the stages recorded, as text. Pure. */
import type { ModulePlan, PartitionPlan } from "./plan.ts";
import type { Model } from "../runtime/contract/model.ts";
import type { Value } from "./3-graph/ir.ts";
import { partitionText, printNode } from "./3-graph/print.ts";
import { isRecomputed } from "./4-grad/recompute.ts";
import { countPairs } from "./5-fuse/fuse.ts";
import { rules, twins, type Rule } from "./5-fuse/rules.ts";
import { callFlops, type Call, type ProgramSection } from "./6-tile/program.ts";
import { kernelContext, tasksOf } from "./6-tile/kernel-spec.ts";
import { arenaLines } from "./7-place/arena.ts";
import { tensorBytes } from "../runtime/contract/tensor-layout.ts";
import { sizeText } from "../runtime/contract/amounts.ts";

export type Topic = "summary" | "fusion" | "tiles" | "arena";

/** Explains a module; where it is divided over several memories, each partition on its own. */
export function explainPlan(model: Model, { over, ...whole }: ModulePlan, topic: Topic): string {
  const explain = topics[topic];
  if (!over?.partitions) {
    const tooLarge = over ? `(more than the ${over.limit} bytes that one memory may have)\n` : "";
    return tooLarge + explain(whole);
  }
  const { partitions } = over;
  const texts = partitions.map((plan, i) => {
    const title = `part ${i} of ${partitions.length}: ${partitionText(model, plan.partition)}`;
    return `${title}\n${explain(plan)}`;
  });
  return texts.join("\n");
}

const topics: Readonly<Record<Topic, (plan: PartitionPlan) => string>> = { summary, fusion, tiles, arena };

const linesOf = (lines: readonly string[]): string => `${lines.join("\n")}\n`;

function summary(plan: PartitionPlan): string {
  const rows = plan.placement.regions.map((r) => `  ${r.name.padEnd(24)} ${sizeText(r.bytes).padStart(14)}`);
  const programs = [...plan.programs.values()][0]!;
  const entries = programs.map((p) => {
    const sections = p.sections.map((s) => {
      const times = s.times > 1 ? ` × ${s.times}` : "";
      return `${s.name}${times} (${s.calls.length} kernels)`;
    });
    return `  ${p.graph.entry.padEnd(10)} ${sections.join(", ")}`;
  });
  const again = programs.flatMap((p) => [...p.graph.values.values()].filter(isRecomputed));
  const { base, worker } = plan.placement;
  const title = `module ${plan.name}: ${base} bytes of memory, and ${worker.bytes} for each worker`;
  return linesOf([title, ...rows, "entries", ...entries, ...recomputedLines(again)]);
}

/** What a layer's backward computes again, and how much less of it is kept. */
function recomputedLines(again: readonly Value[]): string[] {
  if (again.length === 0) return [];
  const bytes = again.reduce((sum, { shape }) => sum + tensorBytes(shape), 0);
  const names = again.map(({ of }) => of).join(", ");
  return [
    `computed again in the backward, ${sizeText(bytes)} of one layer at a time; of each layer only its ` +
      "input is kept",
    `  ${names}`,
  ];
}

function fusion(plan: PartitionPlan): string {
  const programs = [...plan.programs.values()][0]!;
  const sections = [...plan.fusions].map(([entry, events]) => {
    const fired = events.map(
      (e) => `    ${e.section.padEnd(16)} ${e.what}\n${" ".repeat(21)}${e.rule}: ${e.why}`,
    );
    const names = new Set(events.map((e) => e.rule));
    const graph = programs.find((p) => p.graph.entry === entry)!.graph;
    const left = (r: Rule): string => {
      const pairs = countPairs(graph, r);
      return pairs === 0 ? `found no ${r.before}` : `found ${pairs} of ${r.before}, and could join none`;
    };
    const idle = [
      ...rules.map((r) => [r.name, left(r)] as const),
      ...twins.map((r) => [r.name, `found no ${r.before}`] as const),
    ]
      .filter(([name]) => !names.has(name))
      .map(([name, found]) => `    ${name}: ${found}`);
    return [
      `  entry ${entry}`,
      ...fired,
      ...(idle.length ? ["  rules that joined nothing", ...idle] : []),
    ].join("\n");
  });
  return linesOf([`module ${plan.name}`, ...sections]);
}

function tiles(plan: PartitionPlan): string {
  const entries = [...plan.programs.values()]
    .flat()
    .flatMap((program) => [
      `  entry ${program.graph.entry} for ${program.target}`,
      ...program.sections.flatMap((section) => section.calls.map((call) => tilesOfCall(section, call))),
    ]);
  return linesOf([`module ${plan.name}`, ...entries]);
}

function tilesOfCall({ name, times }: ProgramSection, call: Call): string {
  const op = printNode(call.node).replace(/ \(.*$/, "");
  const chosen = pairs(kernelContext(call.spec).tiles) || "none";
  const mflop = (callFlops(call) / 1e6).toFixed(2);
  return [
    `    ${name.padEnd(16)} ${op.padEnd(28)} ${pairs(call.spec.d)}`,
    `${" ".repeat(22)}tiles ${chosen}; ${tasksOf(call.spec)} tasks; ${mflop} MFLOP × ${times}`,
  ].join("\n");
}

/** { M: 64, N: 16 } → "M 64, N 16". */
const pairs = (sizes: Readonly<Record<string, unknown>>): string =>
  Object.entries(sizes)
    .map(([name, size]) => `${name} ${size}`)
    .join(", ");

function arena(plan: PartitionPlan): string {
  const parts = [...plan.placement.arenas].map(([entry, { placed, lifetimes }]) => {
    const names = new Map<string, string[]>();
    for (const [value, buffer] of lifetimes.bufferOf)
      if (value !== buffer) names.set(buffer, [...(names.get(buffer) ?? []), value]);
    const shared = [...names].map(
      ([buffer, values]) => `    ${buffer} also holds ${values.join(", ")} (in place)`,
    );
    return [`  entry ${entry}`, ...arenaLines(placed).map((line) => `    ${line}`), ...shared].join("\n");
  });
  return linesOf([`module ${plan.name}`, ...parts]);
}
