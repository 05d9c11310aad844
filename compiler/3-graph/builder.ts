/**
 * What all files of the graph builder share: the graph that has been built so far, and functions that add
 * values and nodes to it.
 */
import { nameIn } from "../../runtime/contract/parameter-names.ts";
import type { DType } from "../../runtime/contract/memory-formats.ts";
import type { Model } from "../../runtime/contract/model.ts";
import type { Objective } from "../../runtime/contract/objective.ts";
import { opOf, type AttrsOf, type InsOf, type OpName, type OutsOf } from "../ops/index.ts";
import { nodeOf } from "./node.ts";
import {
  each,
  whole,
  type Carry,
  type Node,
  type Ref,
  type Role,
  type Section,
  type Term,
  type Value,
} from "./ir.ts";
import {
  inputTensors,
  SPAN_FIELDS,
  type BatchEntry,
  type IncrementalEntry,
  type LookEntryName,
  type InputName,
  type OutputName,
} from "../../runtime/contract/entries.ts";
import type { Init, Storage } from "../../runtime/contract/storage.ts";
import type { Segment } from "./segment.ts";

/** What training takes and gives row by row, besides tokens and targets. Default: nothing. */
export interface PerRow {
  /** Entry train: the weight of each row's loss in the objective is an input. */
  readonly weights?: boolean;
  /** The log-probability of each row's target is an output. */
  readonly logprobs?: boolean;
  /** The entropy of each row's prediction is an output. */
  readonly entropies?: boolean;
  /** Of a module with adapters: by how much each row's count is an input. */
  readonly adapters?: boolean;
}

/** What the entries over whole sequences compute of the losses. */
interface Losses extends PerRow {
  /** Absent: the next token's cross-entropy. */
  readonly objective?: Objective;
  /** Several documents in a sequence, each of which sees itself alone: rows say where theirs begins. */
  readonly packed?: boolean;
}

/** What a graph is built for: an entry of the module, and the sizes of one call. */
export type EntrySpec =
  | ({ readonly entry: BatchEntry; readonly batch: number; readonly context: number } & Losses)
  | LookJob
  | ({ readonly entry: IncrementalEntry } & RunSizes);

/** So many rows at most: of one text (look), or any (lens). */
interface LookJob {
  readonly entry: LookEntryName;
  readonly batch: 1;
  readonly context: number;
}

/** Sizes of a run (runtime/contract/entries.ts). */
interface RunSizes {
  readonly rows: number;
  /** Most spans of one run, and how many texts' keys and values there is room for. Default: 1. */
  readonly spans?: number;
  readonly lanes?: number;
}

/**
 * GPT-2's initialisation (Radford et al. 2019): N(0, 0.02) at its width of 768 and above, residual
 * projections divided by √(residual blocks in the model). Narrower models get 0.02 · √(768 / width), the same
 * scale per sum of `width` terms: at width 128 that is worth 0.15 of loss after 2000 steps
 * (bench/EXPERIMENTS.md).
 */
const STD = 0.02;
const STD_WIDTH = 768;
export const initialStd = (b: Builder): number =>
  STD * Math.sqrt(Math.max(1, STD_WIDTH / b.model.sizes.width));

export interface Builder {
  readonly model: Model;
  readonly job: EntrySpec;
  readonly segment: Segment;
  readonly rows: number;
  readonly values: Map<string, Value>;
  nodes: Node[];
  /** The number (i32 [1]) of live rows, where there may be others: nodes that can leave these out read it. */
  live: Ref | undefined;
  /** The terms of the objective; empty in entries that do not train. */
  readonly objective: Term[];
  /** True while the layer is being built, whose parameters and caches have a slice per layer. */
  layered: boolean;
  /** What the names of parameters begin with, outside of the layer. */
  stem: "embed" | "output";
}

/** The number of layers in this segment. */
export const layersOf = ({ segment }: Builder): number => segment.to - segment.from;

/** The number of tokens that one call of `prefill` takes. */
export const prefillRows = ({ sizes: { context } }: Pick<Model, "sizes">): number =>
  Math.min(PREFILL_ROWS, context);
const PREFILL_ROWS = 128;

export const isTraining = (b: Builder): boolean => b.job.entry === "train";
export const isLook = (job: EntrySpec): job is LookJob => job.entry === "look" || job.entry === "lens";
export const isIncremental = (b: Builder): boolean => "rows" in b.job;

export function declare(
  b: Builder,
  name: string,
  shape: readonly number[],
  storage: Storage,
  more: Partial<Value> = {},
): Ref {
  const layered = b.layered && (storage === "parameter" || storage === "cache" || storage === "output");
  const slices = layered ? layersOf(b) : 1;
  b.values.set(name, { name, shape, dtype: "f32", storage, slices, ...(layered && { layered }), ...more });
  return layered ? each(name) : whole(name);
}

/** A new activation; a second one of the same name gets a number. */
export function activation(b: Builder, stem: string, shape: readonly number[], dtype: DType = "f32"): Ref {
  let name = stem;
  for (let n = 2; b.values.has(name); n++) name = `${stem}_${n}`;
  return declare(b, name, shape, "activation", { dtype });
}

/** An input of the entry; several nodes may ask for the same one. */
export function input(b: Builder, name: InputName, shape: readonly number[]): Ref {
  if (!b.values.has(name)) declare(b, name, shape, "input", inputTensors[name]);
  return whole(name);
}

export const entryOutput = (b: Builder, name: OutputName, shape: readonly number[]): Ref =>
  declare(b, name, shape, "output");

/** The name under which a value of this section is known outside: "layers.attention.qkv.weight". */
export const shownName = (b: Builder, name: string): string => (b.layered ? nameIn("layer", name) : name);

export function parameter(b: Builder, name: string, shape: readonly number[], init: Init): Ref {
  return declare(b, shownName(b, name), shape, "parameter", { init, decay: shape.length >= 2 });
}

/**
 * Adds a node; its names and attributes are checked by type. Where rows may be dead, an op that can leave
 * them out is told which: builders need not say it.
 */
export function emit<K extends OpName>(
  b: Builder,
  op: K,
  ins: InsOf<K, Ref>,
  outs: OutsOf<K, Ref>,
  attrs: Partial<AttrsOf<K>> = {},
): void {
  const live = b.live && opOf(op).tensors.some((t) => t.name === "live") ? { live: b.live } : {};
  b.nodes.push(nodeOf(op, { ...live, ...ins }, outs, attrs));
}

/** Makes a section of all nodes that were emitted since the section before. */
export function section(
  b: Builder,
  role: Role,
  name: string,
  times = 1,
  carries: readonly Carry[] = [],
): Section {
  const nodes = b.nodes;
  b.nodes = [];
  return { name, role, times, order: "up", carries, nodes };
}

// The inputs of a run.

/** [R]: each row's position in its text. Undefined where all rows' positions follow from their numbers. */
export const positionsOf = (b: Builder): Ref | undefined =>
  isIncremental(b) || isPacked(b) ? input(b, "positions", [b.rows]) : undefined;

/**
 * [R]: the row of its sequence at which each row's document begins. Undefined where a sequence is one
 * document.
 */
export const documentsOf = (b: Builder): Ref | undefined =>
  isPacked(b) ? input(b, "first", [b.rows]) : undefined;
const isPacked = ({ job }: Builder): boolean => "packed" in job && job.packed === true;

/** [S,4], and how many of them are live; undefined where all are. */
export function spansOf(b: Builder): { readonly spans: Ref; readonly spanCount: Ref | undefined } {
  const { spans = 1 } = b.job as RunSizes;
  return {
    spans: input(b, "spans", [spans, SPAN_FIELDS]),
    spanCount: spans > 1 ? input(b, "span_count", [1]) : undefined,
  };
}

export const lanesOf = (b: Builder): number => (b.job as RunSizes).lanes ?? 1;

/** How many rows are live; undefined where all are. */
export const liveRows = (b: Builder): Ref | undefined =>
  (isIncremental(b) || isLook(b.job)) && b.rows > 1 ? input(b, "rows", [1]) : undefined;
