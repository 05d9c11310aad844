/** What a model is made of: its kernels and memory as drawings, its tensors and bytes as numbers. */
import { parameterRows, type PartCount } from "../../../../compiler/2-check/parameters.ts";
import { arenaBytes } from "../../../../compiler/7-place/arena.ts";
import type { Region } from "../../../../compiler/7-place/place.ts";
import { memoryBytes, workersOn } from "../../../../compiler/planned-memory.ts";
import { drawArena } from "../../../../compiler/drawing/draw-arena.ts";
import { drawRooms } from "../../../../compiler/drawing/draw-rooms.ts";
import { roomsOf, type Room, type RoomKernel } from "../../../../compiler/drawing/rooms.ts";
import type { Drawing } from "../../../../compiler/drawing/svg.ts";
import type { PlacedPart } from "../../../../compiler/language-service/language-service.ts";
import type { EntryName } from "../../../../runtime/contract/entries.ts";
import type { ModuleName } from "../../../../runtime/contract/manifest.ts";
import { analysisOf } from "../analysis-of.ts";
import { planOf } from "../plan-of.ts";

/** What a model does, and which module does it. */
export const jobs = {
  evaluate: "train",
  train: "train",
  prefill: "infer",
  decode: "infer",
  generate: "infer",
} as const satisfies Partial<Record<EntryName, ModuleName>>;
export type Job = keyof typeof jobs;

export interface AskedStructure {
  readonly text: string;
  readonly model: string;
  readonly job: Job;
  /** Rooms that the visitor has opened or closed, by name. All others are as they are at first. */
  readonly open: Readonly<Record<string, boolean>>;
}

export interface PlacedKernel extends RoomKernel {
  readonly room: string;
  /** How often it runs: once for each layer. */
  readonly times: number;
}

export interface Structure {
  readonly text: string;
  readonly rooms: Drawing;
  readonly memory: Drawing;
  readonly kernels: readonly PlacedKernel[];
  /** Of this model. */
  readonly parts: readonly PlacedPart[];
  readonly parameters: readonly PartCount[];
  /** From the bottom of the module's memory. */
  readonly regions: readonly Region[];
  /** How many this machine gives it; and the bytes of all of the module's memories with them. */
  readonly workers: number;
  readonly bytes: number;
  /** A module that one memory does not hold: over how many it is divided. */
  readonly memories: number;
  /** Of one run of the entry. */
  readonly flops: number;
  /** Activations of the entry in memory, and as much as they would take without sharing it. */
  readonly arenaBytes: number;
  readonly unsharedBytes: number;
}

export const structureQuestions = {
  /** Undefined: the text has no such model without errors, or the model does not do this. */
  structure: (asked: AskedStructure): Structure | undefined => {
    const planned = planOf(asked.text, asked.model, jobs[asked.job]);
    const program = planned?.programs.find(({ graph }) => graph.entry === asked.job);
    if (!planned || !program) return undefined;
    const { model, plan, programs } = planned;
    const rooms = roomsOf(model, program, programs);
    const { placed, lifetimes } = plan.placement.arenas.get(asked.job)!;
    const { regions, worker } = plan.placement;
    const workers = workersOn(plan, navigator.hardwareConcurrency);
    const kernels = rooms.flatMap(({ name, times, kernels: all }) =>
      all.map((kernel): PlacedKernel => ({ ...kernel, room: name, times })),
    );
    return {
      text: asked.text,
      rooms: drawRooms(rooms, { isOpen: openBy(rooms, asked.open), label: asked.job, isUsed: true }),
      memory: drawArena(placed, lifetimes, { rooms, label: asked.job }),
      kernels,
      parts: analysisOf(asked.text)
        .parts()
        .filter((part) => part.model === asked.model),
      parameters: parameterRows(model),
      // the last region is that of the workers that are planned for; here are those of this machine
      regions: [...regions.slice(0, -1), { name: "workers", bytes: workers * worker.bytes }],
      workers,
      bytes: memoryBytes(plan, workers),
      memories: plan.over?.partitions?.length ?? 1,
      flops: kernels.reduce((sum, { flops, times }) => sum + flops * times, 0),
      arenaBytes: arenaBytes(placed),
      unsharedBytes: placed.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  },
};

/** As many kernels as can be looked at without anything being closed. */
const MOST_OPEN = 20;

/** Few kernels: all rooms are open at first. Many: the layers' alone. */
function openBy(rooms: readonly Room[], said: AskedStructure["open"]): (room: Room) => boolean {
  const isSmall = rooms.reduce((sum, { kernels }) => sum + kernels.length, 0) <= MOST_OPEN;
  return ({ name, role, of }) => said[name] ?? (isSmall || (role === "layer" && of === undefined));
}
