/**
 * Where batches come from. This is all that the trainer knows of its data. In this folder the rows are
 * windows or documents of a text; they may be anything else that can be told in tokens and targets, where a
 * target of −1 is not counted.
 */
import { type WindowOptions } from "./text-windows.ts";
import type { Batch, RunningModel } from "../../engine/model.ts";
import type { Random } from "../../base/random.ts";

export interface BatchShape {
  readonly batch: number;
  readonly context: number;
}

/** What a source may use that writes its rows with the model itself. */
export interface Learner {
  readonly model: RunningModel;
  /** The update that the rows are for, from 1; of an evaluation, the updates made so far. */
  readonly step: number;
  readonly signal?: AbortSignal | undefined;
  breathe(): Promise<void>;
}

/** Means under the names that are logged. */
export type Figures = Readonly<Record<string, number>>;

export interface BatchSource {
  /**
   * Rows to learn from. All randomness comes from `random`, whose state a checkpoint holds, or follows from
   * `index`: the number of the micro-batch within the run, from 0.
   */
  next(random: Random, shape: BatchShape, index: number, learner: Learner): Batch | Promise<Batch>;
  /** The numbers of the objective's equation for the rows that were drawn last. Default: as compiled. */
  settings?(): Figures;
  /** What the source itself knows of the update that was made of them; asked once, after the update. */
  figures?(): Figures;
  /**
   * Measures in its own way what is held out, instead of the mean loss over `evaluate`. `most`: batches, as
   * there. Undefined: nothing is held out.
   */
  measure?(learner: Learner, most: number): Promise<Measured | undefined>;
  /** All that the next rows depend upon besides `random` and `index`; a checkpoint holds it. */
  state?(): Figures;
  restore?(state: Figures): void;
  /**
   * So many updates are made of the same rows: a checkpoint is written, and the training stops, only after a
   * multiple of it. Default: 1.
   */
  readonly period?: number;
  /** The rows that are held out, each once; none where nothing is held out. */
  evaluate(shape: BatchShape, options?: ReadOptions): Iterable<Batch>;
  /** How many bytes of text a target stands for: an evaluation tells bits per byte. */
  bytes(target: number): number;
  /** Hash of the data. A run goes on with the same data only. */
  readonly identity: string;
}

/** Rows that are there before the training begins. */
export interface FixedRows extends BatchSource {
  next(random: Random, shape: BatchShape, index: number): Batch;
}

/** What a source has measured of what is held out. */
export interface Measured {
  /** Absent where no loss says how good the model is. */
  readonly loss?: number;
  /** How many tokens it was measured on. */
  readonly tokens: number;
  readonly metrics: Figures;
}

/** `most`: no more batches than this, spread evenly. `stride`: see WindowOptions. */
export type ReadOptions = Pick<WindowOptions, "most" | "stride">;

/** Rows that can be drawn at random, and read from the first to the last. */
export interface DatasetSplit {
  /** How many tokens it has; and how many documents, where rows are documents. */
  readonly tokens: number;
  readonly documents?: DocumentCounts;
  draw(random: Random, shape: BatchShape): Batch;
  read(shape: BatchShape, options?: ReadOptions): Iterable<Batch>;
}

export interface DocumentCounts {
  readonly count: number;
  /** Documents that are longer than a row of training: their rows lack the end. */
  readonly cut: number;
}

/** Of examples: how many there are, and how many of their tokens are learnt. */
export interface ExampleCounts {
  readonly count: number;
  readonly learnt: number;
}

/** A text as rows. */
export interface Corpus {
  readonly all: DatasetSplit;
  /**
   * Holds out `share` of the text, and leaves the rest for training. Throws SinterError where one of them
   * would be too small.
   */
  split(share: number): DatasetSplits;
  bytes(target: number): number;
}

export interface DatasetSplits {
  readonly train: DatasetSplit;
  readonly heldOut: DatasetSplit;
}

/** `identity`: the text's hash. */
export const batchSource = (
  { train, heldOut }: DatasetSplits,
  corpus: Corpus,
  identity: string,
): FixedRows => ({
  next: train.draw,
  evaluate: heldOut.read,
  bytes: corpus.bytes,
  identity,
});
