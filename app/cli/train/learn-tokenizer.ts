/** `sinter tokenizer train`: learns a vocabulary from text files and writes it as a tokenizer.json. */
import { END_OF_TEXT } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { existsSync } from "node:fs";
import { SinterError } from "../../../runtime/base/errors.ts";
import { MAX_TEXT_BYTES } from "../../../runtime/base/text.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";
import { partEnd, pieceCounter } from "../../../runtime/tokenizers/bpe/count-pieces.ts";
import type { pieceRuleNames } from "../../../runtime/tokenizers/bpe/pieces.ts";
import { trainBpe } from "../../../runtime/tokenizers/bpe/train-bpe.ts";
import { tokenizerJson } from "../../../runtime/tokenizers/bpe/write-tokenizer-json.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { createText } from "../terminal/files.ts";
import { readText } from "../terminal/input.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import { LiveLine } from "../terminal/live-line.ts";

export interface LearnOptions {
  readonly out: string;
  /** Tokens in all. */
  readonly vocab: number;
  /** Pairs that come less often are not joined. */
  readonly minCount: number;
  readonly pattern: (typeof pieceRuleNames)[number];
  /** Undefined: <|endoftext|> alone. */
  readonly special: readonly string[] | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

/** Characters that are counted between two lines of progress. */
const PART = 1 << 22;

export function learnTokenizer(paths: readonly string[], asked: LearnOptions, io: Io): void {
  const { vocab, minCount: atLeast, out, pattern, force } = asked;
  const special = asked.special ?? [END_OF_TEXT];
  // said before the work
  if (!force && existsSync(pathFrom(io, out)))
    throw new SinterError(
      "input",
      `cannot write ${out}: it exists already`,
      "choose another name, or replace it: --force; nothing was overwritten",
    );
  const began = performance.now();
  const counter = pieceCounter(pattern, special);
  const progress = progressLine(io, asked.json);
  const bytes = countPieces(paths, counter, progress, io);
  if (bytes === 0)
    throw new SinterError(
      "input",
      "there is no text to learn from",
      "Name text files: sinter tokenizer train FILE…",
    );
  const trained = trainBpe(counter.counts, {
    vocab,
    special,
    atLeast,
    onProgress: (done, of) => progress(`joining pairs: ${thousands(done)} of ${thousands(of)} tokens`),
  });
  progress(undefined);
  const json = tokenizerJson(trained, pattern);
  createText(out, io.cwd, json, { force });
  const tokens = tokensOf(counter.counts, json);
  const facts = {
    out,
    vocab: trained.tokens.length,
    merges: trained.merges.length,
    pieces: counter.counts.size,
    bytes,
    tokens,
    bytes_per_token: bytes / tokens,
    seconds: (performance.now() - began) / 1000,
  };
  io.out(asked.json ? `${JSON.stringify(facts)}\n` : trainedText(facts, asked));
}

interface Facts {
  readonly out: string;
  readonly vocab: number;
  readonly bytes: number;
  readonly bytes_per_token: number;
  readonly seconds: number;
}

function trainedText(f: Facts, asked: LearnOptions): string {
  const less = `not ${thousands(asked.vocab)}: no pair comes ${asked.minCount} times any more`;
  const tokens = `${thousands(f.vocab)} tokens${f.vocab < asked.vocab ? ` (${less})` : ""}`;
  const from = `from ${thousands(f.bytes)} bytes of text in ${f.seconds.toFixed(1)} s`;
  return `${f.out}: ${tokens}, ${from}; ${f.bytes_per_token.toFixed(2)} bytes a token\n`;
}

type Progress = (text: string | undefined) => void;

/** Counts the pieces of all files; returns how many bytes of text they hold. */
function countPieces(
  paths: readonly string[],
  counter: ReturnType<typeof pieceCounter>,
  progress: Progress,
  io: Io,
): number {
  let bytes = 0;
  for (const path of paths.length === 0 ? ["-"] : paths) {
    const read = readText(path, io, MAX_TEXT_BYTES);
    bytes += Buffer.byteLength(read);
    for (let from = 0, to = 0; from < read.length; from = to) {
      to = partEnd(read, from, PART);
      counter.add(read.slice(from, to));
      progress(`counting pieces of ${path}: ${Math.floor((100 * to) / read.length)} %`);
    }
  }
  return bytes;
}

/** How many tokens the training text has, counted by its pieces. */
function tokensOf(counts: ReadonlyMap<string, number>, json: string): number {
  const reading = readTokenizerJson({ json: new TextEncoder().encode(json), from: "tokenizer.json" });
  if (!("tokenizer" in reading)) throw new Error(reading.unsupported); // we wrote it
  let tokens = 0;
  for (const [piece, count] of counts) tokens += count * reading.tokenizer.encode(piece).length;
  return tokens;
}

/** A line of progress that is written over, on a terminal only. `undefined` removes it. */
function progressLine(io: Io, quiet: boolean): Progress {
  if (quiet || !io.tty) return () => {};
  const live = new LiveLine(io, (line) => io.err(line));
  return (line) => (line === undefined ? live.end() : live.show(() => line));
}
