/**
 * Documents as rows of their own, as makemore and microgpt train on names. What comes after a document's end
 * is padding, which is not counted; the end itself is learnt as any other token is:
 *
 *   tokens    begin  a    d    a    0    0
 *   targets   a      d    a    end  −1   −1
 *
 * A document that does not fit is cut: its row ends with the last target that fits, which is not the
 * document's end. Training draws documents with repetition. The documents that are held out are spread evenly
 * over the file, because it may be sorted.
 */
import type { BatchShape, Corpus, DocumentCounts, DatasetSplit } from "./batch-source.ts";
import { emptyBatch, tokenList, type Tokens } from "./text-windows.ts";
import { documentTexts } from "./documents.ts";
import { SinterError } from "../../base/errors.ts";
import type { Batch } from "../../engine/model.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";

interface Documents {
  /** The tokens of all documents, one after the other, without those that begin and end a document. */
  readonly tokens: Tokens;
  /** Where each document begins in `tokens`, and where the last one ends. */
  readonly starts: Float64Array;
  readonly begin: number;
  readonly end: number;
}

/** The tokenizer has tokens that begin and end texts. `context` is the length of a row of training. */
export function documentCorpus(text: string, tokenizer: Tokenizer, vocab: number, context: number): Corpus {
  const { texts, separator } = documentTexts(text);
  const documents = encodeDocuments(texts, tokenizer, vocab);
  const order = Uint32Array.from({ length: texts.length }, (_, i) => i);
  const part = (which: Uint32Array): DatasetSplit => documentPart(documents, which, context);
  const between = new TextEncoder().encode(separator).length;
  const { end } = documents;
  return {
    all: part(order),
    split(share) {
      const train = order.filter((i) => !isHeldOut(i, share));
      const heldOut = order.filter((i) => isHeldOut(i, share));
      if (train.length === 0 || (share > 0 && heldOut.length === 0)) throw tooFew(texts.length, share);
      return { train: part(train), heldOut: part(heldOut) };
    },
    bytes: (target) => (target === end ? between : tokenizer.bytes(target).length),
  };
}

/** Of the documents 0, 1, 2, … this holds out `share`, evenly spread. */
const isHeldOut = (i: number, share: number): boolean => Math.floor((i + 1) * share) > Math.floor(i * share);

const tooFew = (count: number, share: number): SinterError =>
  new SinterError(
    "input",
    `the text has ${count} document${count === 1 ? "" : "s"}, too few to hold out ${share} of them`,
    "Documents are lines, or what stands between <|endoftext|>. Use more, or --set train.held_out=0",
  );

function encodeDocuments(texts: readonly string[], tokenizer: Tokenizer, vocab: number): Documents {
  const { beginOfText: begin, endOfText: end } = tokenizer;
  if (begin === undefined || end === undefined)
    throw new SinterError("bug", `texts of ${tokenizer.name} have no begin or no end`);
  const list = tokenList(tokenizer, vocab);
  const starts = new Float64Array(texts.length + 1);
  for (const [i, text] of texts.entries()) {
    list.addText(text);
    starts[i + 1] = list.length;
  }
  return { tokens: list.all(), starts, begin, end };
}

function documentPart(documents: Documents, which: Uint32Array, rowContext: number): DatasetSplit {
  const lengthOf = (i: number): number => documents.starts[i + 1]! - documents.starts[i]!;
  let tokens = 0;
  let cut = 0;
  for (const i of which) {
    tokens += lengthOf(i);
    if (lengthOf(i) >= rowContext) cut++;
  }
  const counts: DocumentCounts = { count: which.length, cut };
  return {
    tokens,
    documents: counts,
    draw: (random, shape) => rows(documents, shape, () => which[random.below(which.length)]!),
    *read(shape, { most = Infinity } = {}) {
      const every = Math.max(1, which.length / (most * shape.batch));
      const taken = which.length === 0 ? 0 : Math.floor((which.length - 1) / every) + 1;
      const chosen = (row: number): number | undefined =>
        row < taken ? which[Math.floor(row * every)] : undefined;
      for (let first = 0; first < taken; first += shape.batch)
        yield rows(documents, shape, (b) => chosen(first + b));
    },
  };
}

/** `choose` gives the document of row b; undefined: the row stays empty. */
function rows(documents: Documents, shape: BatchShape, choose: (b: number) => number | undefined): Batch {
  const { batch, context } = shape;
  const out = emptyBatch(batch, context);
  for (let b = 0; b < batch; b++) {
    const document = choose(b);
    if (document !== undefined) writeRow(documents, document, out, b * context, context);
  }
  return out;
}

/** `at` is where the row begins in the batch. */
function writeRow(documents: Documents, document: number, out: Batch, at: number, context: number): void {
  const { tokens, starts, begin, end } = documents;
  const from = starts[document]!;
  const length = Math.min(starts[document + 1]! - from, context);
  out.tokens[at] = begin;
  out.tokens.set(tokens.subarray(from, from + Math.min(length, context - 1)), at + 1);
  out.targets.set(tokens.subarray(from, from + length), at);
  if (length < context) out.targets[at + length] = end;
}
