/**
 * The rooms of a program as a picture, from top to bottom as they run. In an open room kernels stand below
 * each other, and below each the values that it makes. A value that the next kernel reads goes straight down;
 * one that is needed later goes around, on a lane of its own to the right of the column.
 */
import { counted } from "../../runtime/contract/amounts.ts";
import { flopsText } from "../language-service/describe.ts";
import { amountText } from "../planner/amounts.ts";
import type { KernelTensor, Room, RoomKernel, RoomValue } from "./rooms.ts";
import {
  arrowHead,
  drawing,
  INSET,
  label,
  rect,
  ROW,
  svg,
  type Box,
  type Drawing,
  type SvgElement,
} from "./svg.ts";

const COLUMN = 340;
const PADDING = 14;
/** Between two lanes. */
const LANE = 10;
/** Below a kernel and its values, where an arrow goes down; between a kernel and a value of it; of rooms. */
const GAP = 18;
const CLOSE = 4;
const ROOM_GAP = 26;

export interface RoomsLook {
  isOpen(room: Room): boolean;
  /** What the whole picture is, for those who do not see it. */
  readonly label: string;
  /** Headers and kernels are buttons, which whoever shows the drawing has to make work. */
  readonly isUsed?: boolean;
}

export function drawRooms(
  rooms: readonly Room[],
  { isOpen, label: about, isUsed = false }: RoomsLook,
): Drawing {
  const inner = rooms.map((room) => (isOpen(room) ? openRoom(room, isUsed) : closedRoom(room)));
  const lanes = Math.max(0, ...inner.map((one) => one.lanes));
  const width = COLUMN + 2 * PADDING + (lanes > 0 ? (lanes + 1) * LANE : 0);
  const children: SvgElement[] = [];
  let y = 1;
  for (const [i, room] of rooms.entries()) {
    const { height, elements } = inner[i]!;
    const box = { x: 1, y, width, height };
    if (i > 0 && follows(rooms[i - 1]!, room)) children.push(down(1 + width / 2, y - ROOM_GAP, y));
    children.push(
      svg(
        "g",
        { class: `room ${room.role}`, "data-room": room.name },
        rect(box, "walls", { rx: 10 }),
        header(room, { ...box, height: HEADER }, isOpen(room), isUsed),
        svg("g", { transform: `translate(1 ${y})` }, ...elements),
      ),
    );
    y += height + ROOM_GAP;
  }
  return drawing({ width: width + 2, height: y - ROOM_GAP + 1 }, about, children);
}

const follows = (before: Room, { reads }: Room): boolean =>
  reads.some(({ from }) => from.includes(before.name));

interface Inner {
  readonly height: number;
  readonly lanes: number;
  /** From the room's upper left corner. */
  readonly elements: readonly SvgElement[];
}

// ---- headers and closed rooms

const HEADER = 2 * ROW + 10;

function header(room: Room, box: Box, isOpen: boolean, isUsed: boolean): SvgElement {
  const { name, times, order, kernels } = room;
  const repeated = times > 1 ? ` × ${times}` : "";
  const parameters = parametersOf(room);
  const words = { ...box, x: box.x + 15, width: box.width - 15 };
  const about = [
    counted(kernels.length, "kernel"),
    ...(parameters > 0 ? [`${amountText(parameters)} parameters`] : []),
    ...(order === "down" && times > 1 ? ["last layer first"] : []),
  ].join(" · ");
  return svg(
    "g",
    {
      class: "header",
      "data-header": name,
      ...(isUsed && { role: "button", tabindex: 0, "aria-expanded": `${isOpen}` }),
    },
    rect(box, "hit", { rx: 10 }),
    svg("text", { x: box.x + INSET, y: box.y + ROW - 2, "aria-hidden": "true" }, isOpen ? "▾" : "▸"),
    label(`${name}${repeated}`, words, 0, "title"),
    label(about, words, 1, "soft"),
  );
}

/** Weights that a room's kernels read, all layers' together. */
export function parametersOf({ kernels }: Room): number {
  const tensors = new Map(
    kernels
      .flatMap(({ tensors: all }) => all.filter((t) => t.storage === "parameter"))
      .map((t) => [t.name, t]),
  );
  return [...tensors.values()].reduce((sum, t) => sum + elementsOf(t), 0);
}

const elementsOf = ({ shape, slices }: KernelTensor): number => shape.reduce((n, size) => n * size, slices);

/** Lines of a closed room for what comes in and goes out. */
const MOST_LINES = 3;

function closedRoom({ reads, kernels }: Room): Inner {
  const made = kernels.flatMap(({ makes }) => makes).filter(({ to }) => to.length > 0);
  const lines = [...listed("reads", reads), ...listed("makes", made)];
  const elements = lines.map((line, i) =>
    label(line, { x: 15, y: HEADER + i * ROW - 4, width: COLUMN, height: ROW }, 0, "soft"),
  );
  return { height: HEADER + lines.length * ROW + 4, lanes: 0, elements };
}

function listed(word: string, values: readonly RoomValue[]): string[] {
  const shown = values.length > MOST_LINES ? values.slice(0, MOST_LINES - 1) : values;
  const more = values.length - shown.length;
  return [
    ...shown.map((value) => `${word} ${value.label} ${shapeText(value.shape)}`),
    ...(more > 0 ? [`${word} ${more} more`] : []),
  ];
}

/** "[256, 768]". */
export const shapeText = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

// ---- open rooms

/** A kernel or a value in its place in the column. */
type Row =
  | { readonly kind: "value"; readonly value: RoomValue; readonly note: string; readonly box: Box }
  | {
      readonly kind: "kernel";
      readonly kernel: RoomKernel;
      readonly lines: readonly string[];
      readonly box: Box;
    };

function openRoom(room: Room, isUsed: boolean): Inner {
  const rows = rowsOf(room);
  const wires = wiresOf(rows);
  const last = rows.at(-1)?.box;
  return {
    height: (last ? last.y + last.height : HEADER) + PADDING,
    lanes: Math.max(0, ...wires.map(({ lane }) => lane + 1)),
    elements: [
      ...wires.map((wire) => drawWire(rows, wire)),
      ...straightArrows(rows),
      ...rows.map((row) => (row.kind === "value" ? drawValue(row) : drawKernel(row, isUsed))),
    ],
  };
}

function rowsOf({ reads, kernels }: Room): readonly Row[] {
  const rows: Row[] = [];
  let y = HEADER + 2;
  const place = (lines: number, inset: number): Box => {
    const box = { x: PADDING + inset, y, width: COLUMN - 2 * inset, height: lines * ROW + 8 };
    y += box.height + CLOSE;
    return box;
  };
  const addValues = (values: readonly RoomValue[], next: RoomKernel | undefined): void => {
    for (const value of nextLast(values, next)) {
      const note = noteOf(value);
      rows.push({ kind: "value", value, note, box: place(note === "" ? 1 : 2, INSET) });
    }
    y += GAP - CLOSE;
  };
  if (reads.length > 0) addValues(reads, kernels[0]);
  for (const [i, kernel] of kernels.entries()) {
    const lines = linesOf(kernel);
    // each lane that ends here has a line of its own to arrive on
    const tall = Math.max(lines.length, Math.ceil((kernel.reads.length * ARRIVE) / ROW));
    rows.push({ kind: "kernel", kernel, lines, box: place(tall, 0) });
    addValues(kernel.makes, kernels[i + 1]);
  }
  return rows;
}

/** The value that the next kernel reads stands last, so that its arrow goes straight down. */
function nextLast(values: readonly RoomValue[], next: RoomKernel | undefined): readonly RoomValue[] {
  const straight = values.find(({ ref }) => next?.reads.includes(ref));
  return straight ? [...values.filter((value) => value !== straight), straight] : values;
}

function noteOf({ from, to }: RoomValue): string {
  if (from.length > 0) return `from ${from.join(", then ")}`;
  return to.length > 0 ? `to ${to.join(", ")}` : "";
}

function linesOf({ words, part, flops, tasks, tiles, tensors }: RoomKernel): readonly string[] {
  const tiled = Object.entries(tiles).map(([name, size]) => `${name} ${size}`);
  const facts = [part?.part, flops > 0 ? flopsText(flops) : undefined, counted(tasks, "task")];
  return [
    words.join(" + "),
    facts.filter((fact) => fact !== undefined).join(" · "),
    ...(tiled.length > 0 ? [`tiles ${tiled.join(", ")}`] : []),
    ...tensors.map((t) => `▪ ${shortName(t.name)} ${shapeText(t.shape)}`),
  ];
}

/** Without the section that the room is about: "attention.qkv.weight". */
const shortName = (name: string): string => name.replace(/^(?:layers|output)\./, "");

// ---- arrows

/** Between two lanes that arrive at one kernel. */
const ARRIVE = 8;

interface Wire {
  /** Rows: the value's, and those of the kernels that read it. */
  readonly from: number;
  readonly to: readonly number[];
  readonly lane: number;
}

const isStraight = (rows: readonly Row[], from: number, to: number): boolean =>
  to === from + 1 && rows[to]!.kind === "kernel";

/** Values that are read further down than by the next kernel, each on the first lane that is free. */
function wiresOf(rows: readonly Row[]): readonly Wire[] {
  const busyUntil: number[] = [];
  return rows.flatMap((row, from): Wire[] => {
    if (row.kind !== "value") return [];
    const to = readersOf(rows, from).filter((at) => !isStraight(rows, from, at));
    if (to.length === 0) return [];
    const free = busyUntil.findIndex((until) => until < from);
    const lane = free < 0 ? busyUntil.length : free;
    busyUntil[lane] = to.at(-1)!;
    return [{ from, to, lane }];
  });
}

function readersOf(rows: readonly Row[], from: number): number[] {
  const row = rows[from]!;
  if (row.kind !== "value") return [];
  const { ref } = row.value;
  const again = rows.findIndex((r, at) => at > from && r.kind === "value" && r.value.ref === ref);
  return rows.flatMap((r, at) => {
    const isBefore = again < 0 || at < again;
    return at > from && isBefore && r.kind === "kernel" && r.kernel.reads.includes(ref) ? [at] : [];
  });
}

function drawWire(rows: readonly Row[], { from, to, lane }: Wire): SvgElement {
  const row = rows[from] as Extract<Row, { kind: "value" }>;
  const { box } = row;
  const x = PADDING + COLUMN + (lane + 1) * LANE;
  const start = box.y + box.height / 2;
  const ends = to.map((at) => {
    const { kernel, box: end } = rows[at] as Extract<Row, { kind: "kernel" }>;
    return { x: end.x + end.width, y: end.y + ARRIVE / 2 + 2 + ARRIVE * kernel.reads.indexOf(row.value.ref) };
  });
  const path = [
    `M${box.x + box.width} ${start}H${x}V${ends.at(-1)!.y}`,
    ...ends.map((end) => `M${x} ${end.y}H${end.x}`),
  ].join("");
  return svg(
    "g",
    { class: "wire", "data-wire": row.value.ref },
    svg("path", { class: "line", d: path }),
    ...ends.map((end) => arrowHead(end.x, end.y, "left")),
  );
}

function straightArrows(rows: readonly Row[]): SvgElement[] {
  return rows.flatMap((row, from) => {
    if (!readersOf(rows, from).some((at) => isStraight(rows, from, at))) return [];
    const { x, y, width, height } = row.box;
    return [down(x + width / 2, y + height, rows[from + 1]!.box.y)];
  });
}

const down = (x: number, from: number, to: number): SvgElement =>
  svg(
    "g",
    { class: "wire" },
    svg("path", { class: "line", d: `M${x} ${from}V${to}` }),
    arrowHead(x, to, "down"),
  );

// ---- kernels and values

function drawKernel({ kernel, lines, box }: Extract<Row, { kind: "kernel" }>, isUsed: boolean): SvgElement {
  const { kind, step, part } = kernel;
  return svg(
    "g",
    {
      class: `kernel ${kind}`,
      "data-kernel": step,
      ...(isUsed && { role: "button", tabindex: -1 }),
      "data-part": part && `${part.section}/${part.part}`,
    },
    rect(box, "box", { rx: 5 }),
    rect({ ...box, width: 4 }, "stripe", { rx: 2 }),
    ...lines.map((line, i) => label(line, box, i, i === 0 ? "title" : "soft")),
  );
}

function drawValue({ value, note, box }: Extract<Row, { kind: "value" }>): SvgElement {
  return svg(
    "g",
    { class: "value", "data-value": value.ref },
    rect(box, "box", { rx: 12 }),
    label(`${value.label} ${shapeText(value.shape)}`, box, 0),
    ...(note === "" ? [] : [label(note, box, 1, "soft")]),
  );
}
