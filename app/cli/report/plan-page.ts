/**
 * A page of what becomes of a model, entry by entry: its rooms with their kernels and values, and where in
 * memory they lie. Partitions have one each.
 */
import { drawArena } from "../../../compiler/drawing/draw-arena.ts";
import { drawRooms } from "../../../compiler/drawing/draw-rooms.ts";
import { roomsOf } from "../../../compiler/drawing/rooms.ts";
import { drawingStyle } from "../../../compiler/drawing/style.ts";
import { svgText } from "../../../compiler/drawing/svg.ts";
import { partitionText } from "../../../compiler/3-graph/print.ts";
import type { Program } from "../../../compiler/6-tile/program.ts";
import type { ModulePlan, PartitionPlan } from "../../../compiler/plan.ts";
import { sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { escapeHtml, htmlPage, scrolled } from "../../../runtime/report/markup.ts";
import { pageStyle } from "../../../runtime/report/page-style.ts";

export function planPage(model: Model, plan: ModulePlan): string {
  const plans: readonly PartitionPlan[] = plan.over?.partitions ?? [plan];
  const body = plans.flatMap((part) => {
    const programs = [...part.programs.values()][0]!;
    const heading = plans.length > 1 ? [`<h2>${escapeHtml(partitionText(model, part.partition))}</h2>`] : [];
    return [...heading, ...programs.map((program) => entrySection(model, part, program, programs))];
  });
  return htmlPage({
    title: `${model.name}, ${plan.name}`,
    heading: model.name,
    about: `module ${plan.name}, ${sizeText(plan.placement.base)}: boxes are kernels, arrows are tensors`,
    style: pageStyle + drawingStyle,
    body: body.join("\n"),
  });
}

function entrySection(
  model: Model,
  plan: PartitionPlan,
  program: Program,
  programs: readonly Program[],
): string {
  const { entry } = program.graph;
  const rooms = roomsOf(model, program, programs);
  const { placed, lifetimes } = plan.placement.arenas.get(entry)!;
  const title = `${escapeHtml(entry)}: ${thousands(lifetimes.steps)} steps`;
  const kernels = drawRooms(rooms, { isOpen: () => true, label: `Kernels of ${entry}` });
  const memory = drawArena(placed, lifetimes, { rooms, label: `Memory of ${entry}` });
  const pictures = [
    scrolled(escapeHtml(`Kernels of ${entry}`), svgText(kernels.svg)),
    scrolled(escapeHtml(`Memory of ${entry}`), svgText(memory.svg)),
  ];
  return `<details open><summary>${title}</summary>${pictures.join("")}</details>`;
}
