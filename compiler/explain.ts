/** `sinter explain SPEC [--fusion|--tiles|--arena]`: the reasons that the stages recorded, as text. Pure. */
import type { ModulePlan, PartitionPlan } from "./compile.ts";
import type { Model } from "../runtime/contract/model.ts";
import { partitionText, printNode } from "./3-graph/print.ts";
import { rules, twins } from "./5-fuse/rules.ts";
import { callFlops, type Program } from "./6-tile/program.ts";
import { facts, tasksOf } from "./6-tile/kernel-spec.ts";
import { printArena } from "./7-place/arena.ts";
import { sizeText } from "../runtime/contract/amounts.ts";

export type Topic = "summary" | "fusion" | "tiles" | "arena";

/** Of a module that one memory does not hold, every part on its own. */
export function explainPlan(model: Model, plan: ModulePlan, topic: Topic): string {
  const { over } = plan;
  if (!over?.partitions)
    return (
      (over ? `(more than the ${over.limit} bytes that one memory may have)\n` : "") +
      explainPart(plan, topic)
    );
  return over.partitions
    .map(
      (part, i) =>
        `part ${i} of ${over.partitions!.length}: ${partitionText(model, part.partition)}\n${explainPart(part, topic)}`,
    )
    .join("\n");
}

function explainPart(plan: PartitionPlan, topic: Topic): string {
  switch (topic) {
    case "summary":
      return summary(plan);
    case "fusion":
      return fusion(plan);
    case "tiles":
      return tiles(plan);
    case "arena":
      return arena(plan);
  }
}

function summary(plan: PartitionPlan): string {
  const rows = plan.placement.regions.map((r) => `  ${r.name.padEnd(24)} ${sizeText(r.bytes).padStart(14)}`);
  const programs = [...plan.programs.values()][0]!;
  const entries = programs.map(
    (p) =>
      `  ${p.graph.entry.padEnd(10)} ${p.sections.map((s) => `${s.name}${s.times > 1 ? ` × ${s.times}` : ""} (${s.calls.length} kernels)`).join(", ")}`,
  );
  return (
    [`module ${plan.name}: ${plan.placement.bytes} bytes of memory`, ...rows, "entries", ...entries].join(
      "\n",
    ) + "\n"
  );
}

function fusion(plan: PartitionPlan): string {
  const sections = [...plan.fusions].map(([entry, events]) => {
    const fired = events.map(
      (e) => `    ${e.section.padEnd(16)} ${e.what}\n${" ".repeat(21)}${e.rule}: ${e.why}`,
    );
    const names = new Set(events.map((e) => e.rule));
    const idle = [...rules, ...twins]
      .filter((r) => !names.has(r.name))
      .map((r) => `    ${r.name}: found no ${r.before}`);
    return [
      `  entry ${entry}`,
      ...fired,
      ...(idle.length ? ["  rules that found nothing to do", ...idle] : []),
    ].join("\n");
  });
  return [`module ${plan.name}`, ...sections].join("\n") + "\n";
}

function tiles(plan: PartitionPlan): string {
  const block = (p: Program): string[] => [
    `  entry ${p.graph.entry} for ${p.target}`,
    ...p.sections.flatMap((s) =>
      s.calls.map((c) => {
        const pairs = (o: Readonly<Record<string, unknown>>) =>
          Object.entries(o)
            .map(([k, v]) => `${k} ${v}`)
            .join(", ");
        return `    ${s.name.padEnd(16)} ${printNode(c.node)
          .replace(/ \(.*$/, "")
          .padEnd(
            28,
          )} ${pairs(c.spec.d)}\n${" ".repeat(22)}tiles ${pairs(facts(c.spec).tiles) || "none"}; ${tasksOf(c.spec)} tasks; ${(callFlops(c) / 1e6).toFixed(2)} MFLOP × ${s.times}`;
      }),
    ),
  ];
  return (
    [`module ${plan.name}`, ...[...plan.programs.values()].flatMap((list) => list.flatMap(block))].join(
      "\n",
    ) + "\n"
  );
}

function arena(plan: PartitionPlan): string {
  const parts = [...plan.placement.arenas].map(([entry, { placed, lifetimes }]) => {
    const names = new Map<string, string[]>();
    for (const [value, buffer] of lifetimes.bufferOf)
      if (value !== buffer) names.set(buffer, [...(names.get(buffer) ?? []), value]);
    const shared = [...names].map(
      ([buffer, values]) => `    ${buffer} also holds ${values.join(", ")} (in place)`,
    );
    return [
      `  entry ${entry}`,
      ...printArena(placed)
        .trimEnd()
        .split("\n")
        .map((l) => `    ${l}`),
      ...shared,
    ].join("\n");
  });
  return [`module ${plan.name}`, ...parts].join("\n") + "\n";
}
