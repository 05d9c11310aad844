/** Drawings: everything is in them, nothing overlaps, every label has room. */
import { expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { planModule } from "../../../compiler/compile.ts";
import { drawArena } from "../../../compiler/drawing/draw-arena.ts";
import { drawRooms } from "../../../compiler/drawing/draw-rooms.ts";
import { roomsOf, type Room } from "../../../compiler/drawing/rooms.ts";
import {
  CHARACTER,
  svgText,
  type Box,
  type Drawing,
  type SvgElement,
} from "../../../compiler/drawing/svg.ts";
import type { ModuleName } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Program } from "../../../compiler/6-tile/program.ts";
import { specs } from "../../support/sources.ts";

const modelOf = (name: string): Model =>
  checkSource(specs.find(({ file }) => file === `specs/${name}.sinter`)!.text).models[0]!;

const cases = (["gpt2", "mixture", "parallel", "llama3"] as const).flatMap((name) =>
  (["train", "infer"] as const).map((module) => [name, module] as const),
);

interface Planned {
  readonly model: Model;
  readonly plan: ReturnType<typeof planModule>;
  readonly programs: readonly Program[];
}
function planned(name: string, module: ModuleName, batch?: number): Planned {
  const own = modelOf(name);
  const model = batch === undefined ? own : { ...own, train: { ...own.train, batch } };
  const plan = planModule(model, module, { targets: ["simd"] });
  return { model, plan, programs: plan.programs.get("simd")! };
}

/** Elements with the boxes that they have on the drawing: groups may be moved. */
interface Found {
  readonly element: SvgElement;
  readonly parents: readonly SvgElement[];
  readonly dy: number;
}
function found(element: SvgElement, parents: readonly SvgElement[] = [], dy = 0): Found[] {
  const moved = /^translate\(([\d.]+) ([\d.]+)\)$/.exec(`${element.attributes["transform"] ?? ""}`);
  const down = dy + (moved && element.tag === "g" ? Number(moved[2]) : 0);
  const inner = element.children.flatMap((child) =>
    typeof child === "string" ? [] : found(child, [...parents, element], down),
  );
  return [{ element, parents, dy: down }, ...inner];
}
const boxes = (drawing: Drawing, look: string): (Box & { readonly of: SvgElement })[] =>
  found(drawing.svg)
    .filter(({ element }) => element.tag === "rect" && element.attributes["class"] === look)
    .map(({ element: { attributes }, parents, dy }) => {
      const { x, y, width, height } = attributes as unknown as Box;
      return { x, y: y + dy, width, height, of: parents.at(-1)! };
    });
const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const overlaps = (all: readonly Box[]): number =>
  all.reduce((n, a, i) => n + all.slice(i + 1).filter((b) => overlap(a, b)).length, 0);

/** Labels that are wider than what they stand in. */
const tooWide = (drawing: Drawing): string[] =>
  found(drawing.svg).flatMap(({ element, parents }) => {
    const words = element.children.find((child) => typeof child === "string");
    const own = parents.at(-1)?.children.find((child) => typeof child !== "string" && child.tag === "rect");
    if (element.tag !== "text" || words === undefined || !own || typeof own === "string") return [];
    const { x, width } = own.attributes as unknown as Box;
    const end = Number(element.attributes["x"]) + [...words].length * CHARACTER;
    return end > x + width ? [words] : [];
  });

const open = { isOpen: () => true, label: "all" };

test.each(cases)("%s, %s: every kernel and every value once, in its place", (name, module) => {
  const { model, plan, programs } = planned(name, module);
  for (const program of programs) {
    const rooms = roomsOf(model, program, programs);
    const drawing = drawRooms(rooms, open);
    const kernels = program.sections.flatMap(({ calls }) => calls);
    const all = found(drawing.svg).map(({ element }) => element.attributes);
    expect(all.flatMap((a) => a["data-kernel"] ?? [])).toEqual(kernels.map((_, step) => step));
    const drawn = new Set(all.map((a) => `${a["data-value"] ?? ""}`.replace(/\[.*\]$/, "")));
    const inRooms = rooms.flatMap((room) => room.kernels);
    const tensors = new Set(inRooms.flatMap((kernel) => kernel.tensors.map((t) => t.name)));
    const used = kernels.flatMap(({ node }) =>
      [...Object.values(node.ins), ...Object.values(node.outs)].map(({ value }) => value),
    );
    expect([...new Set(used)].filter((value) => !drawn.has(value) && !tensors.has(value))).toEqual([]);
    expect(overlaps(boxes(drawing, "box"))).toBe(0);
    expect(overlaps(boxes(drawing, "walls"))).toBe(0);
    expect(tooWide(drawing)).toEqual([]);

    const { placed, lifetimes } = plan.placement.arenas.get(program.graph.entry)!;
    const arena = drawArena(placed, lifetimes, { rooms, label: "memory" });
    expect(boxes(arena, "box").length).toBe(placed.length);
    expect(overlaps(boxes(arena, "box"))).toBe(0);
    expect(tooWide(arena)).toEqual([]);
  }
});

test("a room knows the part that a kernel is of, what became one, and who reads its values", () => {
  const { model, programs } = planned("gpt2", "train", 8); // logits in blocks of rows
  const program = programs.find(({ graph }) => graph.entry === "train")!;
  const rooms = roomsOf(model, program, programs);
  const layer = rooms.find(({ name }) => name === "layer")!;
  expect(layer.kernels.map(({ words, part }) => `${part?.part}: ${words.join(" + ")}`)).toEqual([
    "layernorm_1: layernorm",
    "attention: matmul + bias",
    "attention: attention",
    "attention: matmul + bias + add",
    "layernorm_2: layernorm",
    "mlp: matmul + bias + gelu_tanh",
    "mlp: matmul + bias + add",
  ]);
  expect(layer.reads.map(({ label, from }) => [label, from])).toEqual([["x", ["embed", "the layer before"]]]);
  expect(layer.kernels.at(-1)!.makes).toMatchObject([
    { label: "x of the next layer", to: expect.arrayContaining(["the next layer", "output"]) as string[] },
  ]);
  const parts = rooms.flatMap((r) => r.kernels.map((k) => `${r.role} ${k.part?.part ?? "none"}`));
  expect(new Set(parts.filter((part) => part.endsWith("none")))).toEqual(
    new Set(["head none", "update none"]),
  );
});

test("closed rooms are shorter, and tell what comes in and goes out", () => {
  const { model, programs } = planned("gpt2", "train");
  const rooms = roomsOf(model, programs[0]!, programs);
  const draw = (isOpen: (room: Room) => boolean): Drawing => drawRooms(rooms, { isOpen, label: "all" });
  const closed = draw(() => false);
  expect(closed.height).toBeLessThan(draw(() => true).height / 3);
  const text = svgText(closed.svg);
  expect(text).toContain("reads tokens [256]");
  expect(text).toContain("makes loss [2]");
  expect(text).not.toContain("data-kernel");
});

test("what is only looked at has no buttons", () => {
  const { model, programs } = planned("gpt2", "infer");
  const rooms = roomsOf(model, programs[0]!, programs);
  expect(svgText(drawRooms(rooms, open).svg)).not.toMatch(/role="button"|tabindex/);
  const used = svgText(drawRooms(rooms, { ...open, isUsed: true }).svg);
  const kernels = programs[0]!.sections.reduce((sum, { calls }) => sum + calls.length, 0);
  expect(used.split('role="button"').length - 1).toBe(rooms.length + kernels);
});

test("text of a spec is text in a drawing", () => {
  const room = { name: "<b>", role: "layer", of: undefined, times: 1, order: "up", reads: [], kernels: [] };
  const text = svgText(drawRooms([room as unknown as Room], open).svg);
  expect(text).toContain("&#60;b&#62;");
  expect(text).not.toContain("<b>");
});
