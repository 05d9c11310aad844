/**
 * Gives everything a byte address before anything runs. A module's memory, from bottom to top:
 *
 *   control block | inputs, outputs | parameters (matrices, vectors, those that are not trained) |
 *   gradients | moments | caches | arena | each worker's own: worker-memory.ts
 *
 * Entries never run at the same time, so their arenas share the same bytes.
 */
import { control, CONTROL_BYTES } from "../../runtime/contract/control.ts";
import { PROFILE_SITE_BYTES } from "../../runtime/contract/profile-site.ts";
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import { PLANNED_WORKERS } from "../../runtime/contract/worker-memory.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { programScratch, type Program } from "../6-tile/program.ts";
import { isTrained, type Graph, type Value } from "../3-graph/ir.ts";
import type { Storage } from "../../runtime/contract/storage.ts";
import { alignUp, arenaBytes, lowerBound, planArena, type Placed } from "./arena.ts";
import { lifetimes, valueBytes, type Lifetimes } from "./lifetimes.ts";
import { workerPiece, type WorkerPiece } from "./worker-memory.ts";

export interface Place {
  readonly value: Value;
  readonly offset: number;
  readonly stride: number;
}

export interface Region {
  readonly name: string;
  readonly bytes: number;
}

export interface Placement {
  /**
   * Everything but activations, by name; a value that several entries use stands here once, in its largest
   * form.
   */
  readonly persistent: ReadonlyMap<string, Place>;
  /** Per entry: address of each activation. */
  readonly activations: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly arenas: ReadonlyMap<string, Arena>;
  /** What lies below the workers' own pieces; the last region is those of the planned workers. */
  readonly regions: readonly Region[];
  readonly base: number;
  /** What each worker has behind that. */
  readonly worker: WorkerPiece;
  readonly profile?: ProfilePlace;
  /** Of the planned workers. */
  readonly bytes: number;
}

/** Bytes of memory with so many workers. */
export const bytesFor = ({ base, worker }: Pick<Placement, "base" | "worker">, workers: number): number =>
  base + workers * worker.bytes;

/** What a profiled module times: PROFILE_SITE_BYTES for each site, which is a call in an entry's text. */
export interface ProfilePlace {
  /** The first worker's times. */
  readonly offset: number;
  /** The number of each entry's first site. */
  readonly firstSites: readonly number[];
}

const persistentOrder: readonly Exclude<Storage, "activation">[] = [
  "input",
  "output",
  "parameter",
  "gradient",
  "moment1",
  "moment2",
  "cache",
];

/**
 * Places a module. `programs` has every entry for every target; addresses are the same for all targets, only
 * scratch is as large as the target that needs most.
 */
export function placeModule(programs: ReadonlyMap<Target, readonly Program[]>, profile = false): Placement {
  const all = [...programs.values()].flat();
  const one = [...programs.values()][0]!;
  const memory = new Memory();
  const persistent = placePersistent(
    one.map((p) => p.graph),
    memory,
  );
  const arenas = new Map(one.map((p) => [p.graph.entry, arenaOf(p)] as const));
  const arenaStart = memory.take(
    "activations",
    alignUp(Math.max(0, ...[...arenas.values()].map((a) => arenaBytes(a.placed)))),
  );
  const activations = new Map(
    [...arenas].map(([entry, arena]) => [entry, addressesIn(arena, arenaStart)] as const),
  );
  const base = memory.top;
  const sites = profile ? callCounts(one) : [];
  const times = PROFILE_SITE_BYTES * sum(sites);
  const worker = workerPiece(Math.max(0, ...all.map(programScratch)), times);
  memory.take(`${PLANNED_WORKERS} workers`, PLANNED_WORKERS * worker.bytes);
  return {
    persistent,
    activations,
    arenas,
    regions: memory.regions,
    base,
    worker,
    ...(profile && { profile: { offset: base + worker.times, firstSites: partialSums(sites) } }),
    bytes: memory.top,
  };
}

/** The module's memory, filled from the bottom; each region takes the bytes above the one before it. */
class Memory {
  /** Bytes that are taken; the next region begins here. */
  top = CONTROL_BYTES;
  readonly regions: Region[] = [{ name: "control", bytes: CONTROL_BYTES }];

  /** Takes a region, and returns its first byte. */
  take(name: string, bytes: number): number {
    const offset = this.top;
    this.top += bytes;
    this.regions.push({ name, bytes });
    return offset;
  }
}

/** Places everything but activations, one region for each kind of storage. */
function placePersistent(graphs: readonly Graph[], memory: Memory): Map<string, Place> {
  const persistent = new Map<string, Place>();
  for (const storage of persistentOrder) {
    let bytes = 0;
    for (const value of largest(graphs, storage)) {
      const fixed = value.control && control[value.control];
      const offset = fixed ?? memory.top + bytes;
      persistent.set(value.name, { value, offset, stride: tensorBytes(value.shape) });
      if (fixed === undefined) bytes += alignUp(valueBytes(value));
    }
    if (bytes > 0) memory.take(regionNames[storage], bytes);
  }
  placeViews(graphs, persistent);
  return persistent;
}

interface Arena {
  readonly placed: readonly Placed[];
  readonly lifetimes: Lifetimes;
}

function arenaOf(program: Program): Arena {
  const lives = lifetimes(program);
  return { placed: planArena(lives.buffers), lifetimes: lives };
}

/** The address of each activation in an arena that begins at `start`. */
function addressesIn({ placed, lifetimes: { bufferOf } }: Arena, start: number): Map<string, number> {
  const offsets = new Map(placed.map((b) => [b.name, start + b.offset]));
  return new Map([...bufferOf].map(([value, buffer]) => [value, offsets.get(buffer)!]));
}

/** How many calls each entry's text has. */
const callCounts = (programs: readonly Program[]): number[] =>
  programs.map((p) => sum(p.sections.map((s) => s.calls.length)));

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

/** The sum of what comes before each. */
const partialSums = (counts: readonly number[]): number[] => counts.map((_, i) => sum(counts.slice(0, i)));

/**
 * The bytes that every plan of this entry needs at least: weights, gradients and moments without padding, and
 * the activations of its busiest step.
 */
export function leastBytes(p: Placement, entry: string): number {
  const kept = [...p.persistent.values()]
    .filter(({ value }) => value.of !== undefined || value.storage === "parameter")
    .filter(({ value }) => !value.members);
  const state = kept.reduce(
    (sum, { value }) => sum + 4 * value.slices * value.shape.reduce((a, b) => a * b, 1),
    0,
  );
  return state + lowerBound(p.arenas.get(entry)?.lifetimes.buffers ?? []);
}

const regionNames: Readonly<Record<Exclude<Storage, "activation">, string>> = {
  input: "inputs",
  output: "outputs",
  parameter: "parameters",
  gradient: "gradients",
  moment1: "first moments",
  moment2: "second moments",
  cache: "key-value cache",
};

/**
 * The values of one storage in all entries, each in its largest form. Trained parameters come before the
 * others, and matrices before vectors; first of all those whose moments are codes: see 4-grad/optimize.ts.
 */
function largest(graphs: readonly Graph[], storage: Storage): Value[] {
  const found = new Map<string, Value>();
  for (const graph of graphs)
    for (const value of graph.values.values()) {
      if (value.storage !== storage || value.members) continue;
      const before = found.get(value.name);
      if (!before || isLarger(value, before)) found.set(value.name, value);
    }
  if (storage !== "parameter") return [...found.values()];
  const moments = new Map(
    graphs.flatMap((g) =>
      [...g.values.values()].filter((v) => v.storage === "moment1").map((v) => [v.of, v]),
    ),
  );
  const inCodes = (v: Value): boolean => moments.get(v.name)?.dtype === "i32";
  const rank = (v: Value): number => (inCodes(v) ? 0 : isTrained(v) ? 1 : 3) + (v.decay ? 0 : 1);
  return [...found.values()].toSorted((a, b) => rank(a) - rank(b));
}

/**
 * Rows are padded, so that values of different lengths, such as 120 and 128 tokens, may have the same bytes.
 * The runtime writes as many elements as the value has, so then the longer one counts as larger.
 */
function isLarger(a: Value, b: Value): boolean {
  const more = valueBytes(a) - valueBytes(b);
  return more > 0 || (more === 0 && elements(a) > elements(b));
}
const elements = ({ shape, slices }: Value): number => shape.reduce((n, d) => n * d, slices);

/** Keys and values of all layers. */
export const cacheBytes = (p: Placement): number =>
  p.regions.find((r) => r.name === regionNames.cache)?.bytes ?? 0;

/** Places the values that are views: several neighbours in memory, seen as one tensor. */
function placeViews(graphs: readonly Graph[], persistent: Map<string, Place>): void {
  for (const value of graphs.flatMap((g) => [...g.values.values()])) {
    if (!value.members) continue;
    const places = value.members.map((m) => persistent.get(m)!);
    let next = places[0]!.offset;
    for (const p of places) {
      if (p.offset !== next) throw new Error(`${p.value.name} is not where ${value.name} expects it`);
      next += valueBytes(p.value);
    }
    if (next - places[0]!.offset !== tensorBytes(value.shape))
      throw new Error(
        `${value.name} is [${value.shape}], its members have ${next - places[0]!.offset} bytes`,
      );
    persistent.set(value.name, { value, offset: places[0]!.offset, stride: tensorBytes(value.shape) });
  }
}
