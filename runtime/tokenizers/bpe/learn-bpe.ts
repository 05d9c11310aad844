/** A vocabulary from a text that is in memory, as `sinter tokenizer train` learns it from files. */
import { END_OF_TEXT } from "../base/tokenizer.ts";
import { pieceCounter } from "./count-pieces.ts";
import { trainBpe } from "./train-bpe.ts";
import { tokenizerJson } from "./write-tokenizer-json.ts";

/** Pairs that come less often are not joined: the default of `sinter tokenizer train`. */
const LEAST = 2;

/** The bytes of a tokenizer.json of at most `vocab` tokens. Throws `input` where `vocab` is below 257. */
export function learnedBpe(text: string, vocab: number): Uint8Array {
  const special = [END_OF_TEXT];
  const counter = pieceCounter("gpt2", special);
  counter.add(text);
  const trained = trainBpe(counter.counts, { vocab, special, atLeast: LEAST });
  return new TextEncoder().encode(tokenizerJson(trained, "gpt2"));
}
