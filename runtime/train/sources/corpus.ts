/** A text as rows for training and evaluation: windows of it, or its documents, as the run's settings say. */
import type { TrainSettings } from "../../contract/model.ts";
import type { Corpus, DatasetSplit } from "./batch-source.ts";
import { encodeText, randomBatch, split, windows, type Tokens } from "./text-windows.ts";
import { documentCorpus } from "./document-rows.ts";
import type { TextRule } from "./documents.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";

export interface CorpusOptions {
  readonly tokenizer: Tokenizer;
  readonly vocab: number;
  /** The settings of the model. */
  readonly train: Pick<TrainSettings, "rows" | "context">;
  /** Default: the newest rule. */
  readonly rule?: TextRule | undefined;
}

/** Throws `input` where the text cannot be made into rows. */
export function openCorpus(text: string, { tokenizer, vocab, train, rule }: CorpusOptions): Corpus {
  if (train.rows === "documents") return documentCorpus(text, tokenizer, vocab, train.context);
  return textCorpus(encodeText(text, tokenizer, vocab, rule), tokenizer, train.context);
}

/** `context` is that of training: the text to train on must hold a window of it. */
export function textCorpus(tokens: Tokens, tokenizer: Tokenizer, context: number): Corpus {
  return {
    all: textPart(tokens),
    split(share) {
      const { train, heldOut } = split(tokens, share, context);
      return { train: textPart(train), heldOut: textPart(heldOut) };
    },
    bytes: (target) => tokenizer.bytes(target).length,
  };
}

const textPart = (tokens: Tokens): DatasetSplit => ({
  tokens: tokens.length,
  draw: (random, { batch, context }) => randomBatch(tokens, batch, context, random),
  read: ({ batch, context }, options) => windows(tokens, batch, context, options),
});
