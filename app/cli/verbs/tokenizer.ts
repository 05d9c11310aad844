/**
 * `sinter tokenizer train|encode|decode`: learns a vocabulary, and shows what a tokenizer makes of a text.
 */
import { existsSync } from "node:fs";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";
import { MAX_TEXT_BYTES } from "../../../runtime/base/text.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { partEnd, pieceCounter } from "../../../runtime/tokenizers/bpe/count-pieces.ts";
import { pieceRuleNames, pieceRules } from "../../../runtime/tokenizers/bpe/pieces.ts";
import { brief } from "../../../runtime/tokenizers/beside/beside-files.ts";
import { openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { trainBpe } from "../../../runtime/tokenizers/bpe/train-bpe.ts";
import { tokenizerJson } from "../../../runtime/tokenizers/bpe/write-tokenizer-json.ts";
import { createText } from "../terminal/files.ts";
import { readText } from "../terminal/input.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { pathFrom, textOption, wholeOption, type Options } from "../options/run-options.ts";
import { checkIfRun } from "../runs/use-run.ts";
import type { Verb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

const PART = 1 << 22; // characters between two lines of progress
const MOST_VOCAB = 2 ** 20;
/**
 * Bytes of standard input that are encoded or decoded: the ids of a text are all in memory at once, and with
 * --json their names too.
 */
const MOST_INPUT = 2 ** 25;
const MOST_JSON_INPUT = 2 ** 24;
/** Ids that are printed at once: a text of all of them may be longer than a string can be. */
const SHOWN = 1 << 16;

const actions = { train, encode: encodeText, decode: decodeIds } as const;

export const tokenizerVerb: Verb = {
  name: "tokenizer",
  summary: "train a tokenizer, encode and decode text",
  configure(command) {
    command
      .argument("<action>", "train, encode or decode")
      .argument(
        "[input...]",
        "train: text files; encode: a text; decode: ids. Without it, or with -: standard input",
      )
      .option(
        "-t, --tokenizer <path>",
        "encode, decode: a tokenizer's file, its folder, a run's folder, or `bytes`",
      )
      .option("-o, --out <file>", "train: file to write", "tokenizer.json")
      .option("--vocab <n>", "train: tokens in all, special ones and 256 bytes included", "4096")
      .option(
        "--special <text>",
        "train: a special token (may be repeated; default: <|endoftext|>)",
        (value: string, before: readonly string[] = []) => [...before, value],
      )
      .option(
        "--pattern <name>",
        `train: how text is cut into pieces that tokens never cross: ${pieceRuleNames.join(", ")}`,
        "gpt2",
      )
      .option("--force", "train: replace the file where it is there")
      .option("--min-count <n>", "train: pairs that come less often are not joined", "2")
      .option("--allow-special", "encode: names of special tokens in the text become these tokens")
      .option("--bos", "encode: put the token first that begins a text")
      .option("--skip-special", "decode: leave special tokens out")
      .option("--json", "one JSON object, for programs")
      .addHelpText(
        "after",
        `
examples:
  sinter tokenizer train shakespeare.txt --vocab 1024 -o tokenizer.json
  sinter tokenizer encode -t tokenizer.json "Hello world"
  sinter tokenizer encode -t gpt2/ --json < chapter.txt
  sinter tokenizer decode -t gpt2/ 15496 995
then, in a spec: vocab 1024  tokenizer json`,
      );
  },
  async run([action, ...input], options, io) {
    if (!Object.hasOwn(actions, action!))
      throw new SinterError(
        "usage",
        `there is no \`sinter tokenizer ${action}\``,
        `use ${Object.keys(actions).join(", ")}`,
      );
    await actions[action as keyof typeof actions](input, options, io);
    return exitCodes.ok;
  },
};

// ---- train

function train(paths: readonly string[], options: Options, io: Io): void {
  const vocab = wholeOption(options, "vocab", 257, MOST_VOCAB)!;
  const atLeast = wholeOption(options, "min-count", 1)!;
  const out = textOption(options, "out")!;
  const special = (options["special"] as readonly string[] | undefined) ?? ["<|endoftext|>"];
  const pattern = pieceRuleNames.find((name) => name === options["pattern"]);
  if (pattern === undefined)
    throw new SinterError(
      "usage",
      `there is no pattern \`${String(options["pattern"])}\``,
      pieceRuleNames.map((name) => `${name}: ${pieceRules[name].doc}`).join("\n      "),
    );
  const force = options["force"] === true;
  if (!force && existsSync(pathFrom(io, out)))
    // before the work
    throw new SinterError(
      "input",
      `cannot write ${out}: it exists already`,
      "choose another name, or replace it: --force; nothing was overwritten",
    );
  const began = performance.now();
  const counter = pieceCounter(pattern, special);
  const progress = progressLine(io, options["json"] === true);
  let bytes = 0;
  for (const path of paths.length === 0 ? ["-"] : paths) {
    const text = readText(path, io, MAX_TEXT_BYTES);
    bytes += Buffer.byteLength(text);
    for (let from = 0, to = 0; from < text.length; from = to) {
      to = partEnd(text, from, PART);
      counter.add(text.slice(from, to));
      progress(`counting pieces of ${path}: ${Math.floor((100 * to) / text.length)} %`);
    }
  }
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
  const seconds = (performance.now() - began) / 1000;
  const size = trained.tokens.length;
  if (options["json"])
    return io.out(
      `${JSON.stringify({ out, vocab: size, merges: trained.merges.length, pieces: counter.counts.size, bytes, tokens, bytes_per_token: bytes / tokens, seconds })}\n`,
    );
  const less = size < vocab ? ` (not ${thousands(vocab)}: no pair comes ${atLeast} times any more)` : "";
  io.out(
    `${out}: ${thousands(size)} tokens${less}, from ${thousands(bytes)} bytes of text in ` +
      `${seconds.toFixed(1)} s; ${(bytes / tokens).toFixed(2)} bytes a token\n`,
  );
}

/** Tokens of the text that was learnt from, by its pieces. */
function tokensOf(counts: ReadonlyMap<string, number>, json: string): number {
  const reading = readTokenizerJson({ json: new TextEncoder().encode(json), from: "tokenizer.json" });
  if (!("tokenizer" in reading)) throw new Error(reading.unsupported); // we wrote it
  let tokens = 0;
  for (const [piece, count] of counts) tokens += count * reading.tokenizer.encode(piece).length;
  return tokens;
}

/** One line that is written over, on a terminal; nothing elsewhere. `undefined` wipes it. */
function progressLine(io: Io, quiet: boolean): (text: string | undefined) => void {
  if (quiet || !io.tty) return () => {};
  const live = new LiveLine(io, (text) => io.err(text));
  return (text) => (text === undefined ? live.end() : live.show(() => text));
}

// ---- encode and decode

async function encodeText(input: readonly string[], options: Options, io: Io): Promise<void> {
  const tokenizer = await tokenizerOf(options, io);
  const most = options["json"] ? MOST_JSON_INPUT : MOST_INPUT;
  const text = fromStandardInput(input) ? readText("-", io, most, { keepMark: true }) : input.join(" ");
  const ids = tokenizer.encode(text, { special: options["allowSpecial"] === true });
  if (options["bos"]) {
    if (tokenizer.beginOfText === undefined)
      throw new SinterError(
        "input",
        `the ${tokenizer.name} tokenizer has no token that begins a text`,
        "Leave --bos out.",
      );
    ids.unshift(tokenizer.beginOfText);
  }
  if (!options["json"]) {
    for (let at = 0; at < ids.length; at += SHOWN)
      io.out(`${at > 0 ? " " : ""}${ids.slice(at, at + SHOWN).join(" ")}`);
    return io.out("\n");
  }
  io.out(
    `${JSON.stringify({ tokens: ids, pieces: ids.map((id) => new TextDecoder().decode(tokenizer.bytes(id))), count: ids.length, bytes: Buffer.byteLength(text) })}\n`,
  );
}

async function decodeIds(input: readonly string[], options: Options, io: Io): Promise<void> {
  const tokenizer = await tokenizerOf(options, io);
  const text = fromStandardInput(input) ? readText("-", io, MOST_INPUT) : input.join(" ");
  const words = text.split(/[\s,[\]]+/).filter((word) => word !== "");
  const ids = words.map((word, i) => {
    const id = /^\d{1,9}$/.test(word) ? Number(word) : NaN;
    if (!(id < tokenizer.size))
      throw new SinterError(
        "input",
        `number ${i + 1}, \`${word.slice(0, 20)}\`, is no token: ids are 0 … ${tokenizer.size - 1}`,
      );
    return id;
  });
  const decoded = decode(tokenizer, ids, { special: options["skipSpecial"] !== true });
  if (options["json"]) return io.out(`${JSON.stringify({ text: decoded, count: ids.length })}\n`);
  io.out(io.tty ? `${decoded}\n` : decoded);
}

const fromStandardInput = (input: readonly string[]): boolean =>
  input.length === 0 || (input.length === 1 && input[0] === "-");

async function tokenizerOf(options: Options, io: Io): Promise<Tokenizer> {
  const path = textOption(options, "tokenizer");
  if (path === undefined)
    throw new SinterError(
      "usage",
      "which tokenizer?",
      "for example --tokenizer tokenizer.json, or the folder of a run",
    );
  if (path === "bytes") return byteTokenizer();
  await checkIfRun(path, io);
  return openTokenizer(
    nodeFiles(),
    pathFrom(io, path),
    otherJson,
    brief((line) => io.err(`note: ${line}\n`)),
  );
}
