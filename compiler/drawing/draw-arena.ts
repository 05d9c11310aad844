/**
 * The memory of an entry's activations as a picture: to the right the steps, upwards the addresses, and a
 * rectangle for each buffer from the step that fills it to the one that reads it last. Two buffers never
 * overlap: what stands above another at the same address comes after it.
 */
import { sizeText, thousands } from "../../runtime/contract/amounts.ts";
import { arenaBytes, type Placed } from "../7-place/arena.ts";
import type { Lifetimes } from "../7-place/lifetimes.ts";
import type { Room } from "./rooms.ts";
import { CHARACTER, drawing, fitted, rect, svg, type Box, type Drawing, type SvgElement } from "./svg.ts";

/** Pixels of a step: few steps are wider; of all of them together, if they may be. */
const LEAST_STEP = 22;
const MOST_STEP = 56;
const WIDTH = 560;
/** Pixels of the addresses together, and of what stands beside them. */
const HEIGHT = 280;
const LEFT = 78;
const TOP = 8;
const MOST_BELOW = 130;
/** A buffer is as high as this, however small: it can be seen, and has room for its name. */
const LEAST = 16;
/** Pixels between two addresses on the left. */
const APART = 24;

export interface ArenaLook {
  readonly label: string;
  readonly rooms: readonly Pick<Room, "name" | "kernels">[];
}

export function drawArena(
  placed: readonly Placed[],
  lifetimes: Pick<Lifetimes, "bufferOf" | "steps">,
  { label, rooms }: ArenaLook,
): Drawing {
  const { steps } = lifetimes;
  const step = Math.max(LEAST_STEP, Math.min(MOST_STEP, Math.floor(WIDTH / steps)));
  const longest = Math.max(0, ...rooms.map(({ name }) => name.length * CHARACTER));
  const under = Math.min(MOST_BELOW, 24 + longest);
  const heights = heightsOf(placed);
  const height = heights(arenaBytes(placed));
  const also = othersIn(lifetimes.bufferOf);
  const buffers = placed.toSorted((a, b) => a.first - b.first || a.offset - b.offset);
  return drawing({ width: LEFT + steps * step + 10, height: TOP + height + under }, label, [
    ...scale(placed, heights, steps * step),
    ...buffers.map((buffer) =>
      drawBuffer(buffer, bufferBox(buffer, { heights, step, bottom: TOP + height }), also(buffer.name)),
    ),
    ...below(rooms, TOP + height, step),
  ]);
}

/** Pixels from the bottom to an address. */
type Heights = (address: number) => number;

/**
 * Addresses in proportion to their bytes, but for what would be too thin to be seen: that is stretched, and
 * what lies beside it with it. More bytes are never less high, so that nothing overlaps that did not.
 */
function heightsOf(placed: readonly Placed[]): Heights {
  const marks = [...new Set(placed.flatMap(({ offset, bytes }) => [offset, offset + bytes]))].sort(
    (a, b) => a - b,
  );
  const all = Math.max(1, marks.at(-1) ?? 1);
  const pieces = marks.map((mark, i) => (HEIGHT * ((marks[i + 1] ?? mark) - mark)) / all);
  const index = new Map(marks.map((mark, i) => [mark, i] as const));
  for (const { offset, bytes } of placed.toSorted((a, b) => a.bytes - b.bytes)) {
    const [from, to] = [index.get(offset)!, index.get(offset + bytes)!];
    const lacks = LEAST - pieces.slice(from, to).reduce((a, b) => a + b, 0);
    for (let i = from; i < to && lacks > 0; i++) pieces[i]! += lacks / (to - from);
  }
  return (address) => pieces.slice(0, index.get(address) ?? 0).reduce((a, b) => a + b, 0);
}

interface Scale {
  readonly heights: Heights;
  readonly step: number;
  readonly bottom: number;
}

function bufferBox({ offset, bytes, first, last }: Placed, { heights, step, bottom }: Scale): Box {
  const [low, high] = [heights(offset), heights(offset + bytes)];
  const width = (last - first + 1) * step - 1;
  return { x: LEFT + first * step, y: bottom - high, width, height: high - low - 1 };
}

/** A buffer's other values, which took its place without a copy. */
function othersIn(bufferOf: ReadonlyMap<string, string>): (buffer: string) => readonly string[] {
  const others = new Map<string, string[]>();
  for (const [value, buffer] of bufferOf)
    if (value !== buffer) others.set(buffer, [...(others.get(buffer) ?? []), value]);
  return (buffer) => others.get(buffer) ?? [];
}

function drawBuffer(buffer: Placed, box: Box, also: readonly string[]): SvgElement {
  const { name, bytes, offset, first, last } = buffer;
  const when = first === last ? `in step ${first}` : `from step ${first} to ${last}`;
  const and = also.length > 0 ? `, and in its place ${also.join(", ")}` : "";
  const about = `${name}${and}: ${thousands(bytes)} bytes at ${thousands(offset)}, ${when}`;
  const look = name.startsWith("d_") ? "cotangent" : "forward";
  const room = Math.floor((box.width - 8) / CHARACTER);
  return svg(
    "g",
    { class: `buffer ${look}`, "data-buffer": name, role: "img", "aria-label": about },
    svg("title", {}, about),
    rect(box, "box", { rx: 2 }),
    ...(room >= 3
      ? [svg("text", { x: box.x + 4, y: box.y + box.height / 2 + 4 }, fitted(name, box.width - 8))]
      : []),
  );
}

/** Where a buffer begins or ends, addresses on the left, as far as there is room for them. */
function scale(placed: readonly Placed[], heights: Heights, width: number): SvgElement[] {
  const top = heights(arenaBytes(placed));
  const marks = [0, ...placed.map(({ offset, bytes }) => offset + bytes)].sort((a, b) => a - b);
  let below = -Infinity;
  return marks.flatMap((mark) => {
    const y = TOP + top - heights(mark);
    const isLast = mark === marks.at(-1);
    if (heights(mark) - below < APART || (!isLast && top - heights(mark) < APART)) return [];
    below = heights(mark);
    return [
      svg("path", { class: "grid", d: `M${LEFT - 4} ${y}H${LEFT + width}` }),
      svg("text", { class: "soft end", x: LEFT - 8, y: y + 4 }, sizeText(mark)),
    ];
  });
}

/** The rooms below their steps, written downwards. */
function below(rooms: ArenaLook["rooms"], top: number, step: number): SvgElement[] {
  return rooms.flatMap(({ name, kernels }) => {
    const [first, last] = [kernels[0]?.step, kernels.at(-1)?.step];
    if (first === undefined || last === undefined) return [];
    const [left, right] = [LEFT + first * step, LEFT + (last + 1) * step - 3];
    const x = (left + right) / 2 - 4;
    return [
      svg("path", { class: "line", d: `M${left} ${top + 4}v4H${right}v-4` }),
      svg(
        "text",
        { class: "soft", transform: `translate(${x} ${top + 16}) rotate(90)` },
        fitted(name, MOST_BELOW - 20),
      ),
    ];
  });
}
