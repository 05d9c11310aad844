/**
 * Where batches come from. The trainer knows no more of its data than this: a text's windows or documents
 * here, and whatever else can be told in rows of tokens and targets, a target of −1 being one that is not
 * counted.
 */
import { type WindowOptions } from "./data.ts";
import type { Batch } from "../engine/model.ts";
import type { Random } from "../base/random.ts";

export interface BatchShape {
  readonly batch: number;
  readonly context: number;
}

export interface BatchSource {
  /** Rows to learn from. All chance comes from `random`, whose state a checkpoint holds. */
  next(random: Random, shape: BatchShape): Batch;
  /** The rows that are held out, each once; none where nothing is. */
  evaluate(shape: BatchShape, options?: ReadOptions): Iterable<Batch>;
  /** Bytes of text that a target stands for: an evaluation tells bits per byte. */
  bytes(target: number): number;
  /** Hash of what it is made of. A run goes on with the same only. */
  readonly identity: string;
}

/** `most`: at most so many batches, spread evenly. */
export type ReadOptions = Pick<WindowOptions, "most" | "stride">;

/** Rows that can be drawn from, and read from the first to the last. */
export interface Part {
  /** Tokens in it; and documents, where rows are documents. */
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

/** A text as rows. */
export interface Corpus {
  readonly all: Part;
  /** For training, and held out: `share` of it. Throws SinterError where one of them would be too small. */
  split(share: number): Parts;
  bytes(target: number): number;
}

export interface Parts {
  readonly train: Part;
  readonly heldOut: Part;
}

/** `identity`: the text's hash. */
export const batchSource = ({ train, heldOut }: Parts, corpus: Corpus, identity: string): BatchSource => ({
  next: train.draw,
  evaluate: heldOut.read,
  bytes: corpus.bytes,
  identity,
});
