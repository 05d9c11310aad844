/**
 * A byte address for everything, before anything runs. One module's memory, from bottom to top:
 *
 *   control block | inputs, outputs | parameters (matrices, vectors, those that are not trained) |
 *   gradients | moments | caches | scratch per worker | arena
 *
 * Entries never run at the same time, so their arenas share the same bytes.
 */
import { control, CONTROL_BYTES, MAX_WORKERS } from "../../runtime/contract/control.ts";
import { PROFILE_SITE_BYTES } from "../../runtime/contract/profile-site.ts";
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { programScratch, type Program } from "../6-tile/program.ts";
import { isTrained, type Graph, type Value } from "../3-graph/ir.ts";
import type { Storage } from "../../runtime/contract/storage.ts";
import { alignUp, arenaBytes, lowerBound, planArena, type Placed } from "./arena.ts";
import { lifetimes, valueBytes, type Lifetimes } from "./lifetimes.ts";

export const PAGE_BYTES = 65536;
/** wasm32 ends at 4 GiB. Less one mebibyte: the address after the last tensor must not become 0. */
export const MEMORY_LIMIT = 2 ** 32 - 2 ** 20;

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
  readonly arenas: ReadonlyMap<string, { readonly placed: readonly Placed[]; readonly lifetimes: Lifetimes }>;
  readonly scratch: { readonly offset: number; readonly bytesPerWorker: number };
  readonly profile?: ProfilePlace;
  readonly regions: readonly Region[];
  readonly bytes: number;
  readonly pages: number;
}

/**
 * Where a profiled module keeps its times: per worker, per site (= call in an entry's text),
 * PROFILE_SITE_BYTES.
 */
export interface ProfilePlace {
  readonly offset: number;
  readonly bytesPerWorker: number;
  /** Of each entry: number of its first site. */
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

/** `programs`: every entry of the module, for every target (offsets are the same for all targets). */
export function placeModule(programs: ReadonlyMap<Target, readonly Program[]>, profile = false): Placement {
  const all = [...programs.values()].flat();
  const one = [...programs.values()][0]!;
  const persistent = new Map<string, Place>();
  const regions: Region[] = [{ name: "control", bytes: CONTROL_BYTES }];
  let top = CONTROL_BYTES;
  for (const storage of persistentOrder) {
    const start = top;
    for (const value of largest(
      one.map((p) => p.graph),
      storage,
    )) {
      const fixed = value.control && control[value.control];
      persistent.set(value.name, { value, offset: fixed ?? top, stride: tensorBytes(value.shape) });
      if (fixed === undefined) top += alignUp(valueBytes(value));
    }
    if (top > start) regions.push({ name: regionNames[storage], bytes: top - start });
  }
  placeRegions(
    one.map((p) => p.graph),
    persistent,
  );
  const bytesPerWorker = alignUp(Math.max(0, ...all.map(programScratch)));
  const scratch = { offset: top, bytesPerWorker };
  top += bytesPerWorker * MAX_WORKERS;
  if (bytesPerWorker > 0)
    regions.push({ name: `scratch (${MAX_WORKERS} workers)`, bytes: bytesPerWorker * MAX_WORKERS });
  const arenas = new Map(
    one.map((p) => {
      const lives = lifetimes(p);
      return [p.graph.entry, { placed: planArena(lives.buffers), lifetimes: lives }] as const;
    }),
  );
  const activations = new Map(
    [...arenas].map(([entry, { placed, lifetimes }]) => {
      const offsets = new Map(placed.map((b) => [b.name, top + b.offset]));
      return [
        entry,
        new Map([...lifetimes.bufferOf].map(([value, buffer]) => [value, offsets.get(buffer)!])),
      ] as const;
    }),
  );
  const arena = Math.max(0, ...[...arenas.values()].map((a) => arenaBytes(a.placed)));
  regions.push({ name: "activations", bytes: arena });
  top += arena;
  const times = profile ? placeProfile(one, top) : undefined;
  if (times) {
    regions.push({ name: `profile (${MAX_WORKERS} workers)`, bytes: times.bytesPerWorker * MAX_WORKERS });
    top += times.bytesPerWorker * MAX_WORKERS;
  }
  return {
    persistent,
    activations,
    arenas,
    scratch,
    ...(times && { profile: times }),
    regions,
    bytes: top,
    pages: Math.ceil(top / PAGE_BYTES),
  };
}

function placeProfile(programs: readonly Program[], offset: number): ProfilePlace {
  const calls = programs.map((p) => p.sections.reduce((n, s) => n + s.calls.length, 0));
  const firstSites = calls.map((_, i) => calls.slice(0, i).reduce((a, b) => a + b, 0));
  const sites = calls.reduce((a, b) => a + b, 0);
  return { offset, bytesPerWorker: alignUp(sites * PROFILE_SITE_BYTES), firstSites };
}

/**
 * What no plan of this entry can go below: weights, gradients and moments without padding, and the
 * activations that its busiest step needs.
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
 * Values of one storage over all entries; of inputs that differ in length, the longest. Parameters that are
 * trained come first, and of these matrices: see 4-grad/optimize.ts.
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
  const rank = (v: Value): number => (isTrained(v) ? 0 : 2) + (v.decay ? 0 : 1);
  return [...found.values()].toSorted((a, b) => rank(a) - rank(b));
}

/**
 * Rows are padded, so lengths that differ may have the same bytes: 120 and 128 tokens. The runtime writes as
 * many as the value says.
 */
function isLarger(a: Value, b: Value): boolean {
  const more = valueBytes(a) - valueBytes(b);
  return more > 0 || (more === 0 && elements(a) > elements(b));
}
const elements = ({ shape, slices }: Value): number => shape.reduce((n, d) => n * d, slices);

/** Keys and values of all layers. */
export const cacheBytes = (p: Placement): number =>
  p.regions.find((r) => r.name === regionNames.cache)?.bytes ?? 0;

/** Views of several neighbours as one tensor. */
function placeRegions(graphs: readonly Graph[], persistent: Map<string, Place>): void {
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
