/**
 * `sinter tokenizer train|encode|decode`: learns a vocabulary, and shows what a tokenizer makes of a text.
 */
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { pieceRuleNames, pieceRules } from "../../../runtime/tokenizers/bpe/pieces.ts";
import { brief } from "../../../runtime/tokenizers/beside/beside-files.ts";
import { openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { readText } from "../terminal/input.ts";
import { flag, read, text, texts, whole, withDefault, type Options } from "../options/option.ts";
import { learnTokenizer } from "../train/learn-tokenizer.ts";
import { checkIfRun } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";
import { pathFrom, type Io } from "../terminal/io.ts";

const MOST_VOCAB = 2 ** 20;
/**
 * Most bytes of standard input that are encoded or decoded: the ids of a text are all in memory at once, and
 * with --json their names too.
 */
const MOST_INPUT = 2 ** 25;
const MOST_JSON_INPUT = 2 ** 24;
/** So many ids are printed at once: a text of all of them may be longer than a string can be. */
const SHOWN = 1 << 16;

const actions = { train: learnTokenizer, encode: encodeText, decode: decodeIds } as const;

const options = {
  tokenizer: text("<path>", "encode, decode: a tokenizer's file, its folder, a run's folder, or `bytes`", {
    short: "t",
  }),
  out: withDefault("tokenizer.json", text("<file>", "train: file to write", { short: "o" })),
  vocab: withDefault(
    "4096",
    whole("<n>", "train: tokens in all, special ones and 256 bytes included", {
      least: 257,
      most: MOST_VOCAB,
    }),
  ),
  special: texts("<text>", "train: a special token (may be repeated; default: <|endoftext|>)"),
  pattern: withDefault(
    "gpt2",
    read(
      text(
        "<name>",
        `train: how text is cut into pieces that tokens never cross: ${pieceRuleNames.join(", ")}`,
      ),
      patternFrom,
    ),
  ),
  force: flag("train: replace the file where it is there"),
  minCount: withDefault("2", whole("<n>", "train: pairs that come less often are not joined", { least: 1 })),
  allowSpecial: flag("encode: names of special tokens in the text become these tokens"),
  bos: flag("encode: put the token first that begins a text"),
  skipSpecial: flag("decode: leave special tokens out"),
  json: flag("one JSON object, for programs"),
};
type Asked = Options<typeof options>;

function patternFrom(given: string): (typeof pieceRuleNames)[number] {
  const pattern = pieceRuleNames.find((name) => name === given);
  if (pattern !== undefined) return pattern;
  throw new SinterError(
    "usage",
    `there is no pattern \`${given}\``,
    pieceRuleNames.map((name) => `${name}: ${pieceRules[name].doc}`).join("\n      "),
  );
}

export const tokenizerVerb = defineVerb({
  name: "tokenizer",
  summary: "train a tokenizer, encode and decode text",
  arguments: [
    { name: "<action>", help: "train, encode or decode" },
    {
      name: "[input...]",
      help: "train: text files; encode: a text; decode: ids. Without it, or with -: standard input",
    },
  ],
  options,
  examples: [
    "sinter tokenizer train shakespeare.txt --vocab 1024 -o tokenizer.json",
    'sinter tokenizer encode -t tokenizer.json "Hello world"',
    "sinter tokenizer encode -t gpt2/ --json < chapter.txt",
    "sinter tokenizer decode -t gpt2/ 15496 995",
  ],
  after: "then, in a spec: vocab 1024  tokenizer json",
  async run([action, ...input], asked, io) {
    if (!Object.hasOwn(actions, action!))
      throw new SinterError(
        "usage",
        `there is no \`sinter tokenizer ${action}\``,
        `use ${Object.keys(actions).join(", ")}`,
      );
    await actions[action as keyof typeof actions](input, asked, io);
    return exitCodes.ok;
  },
});

async function encodeText(input: readonly string[], asked: Asked, io: Io): Promise<void> {
  const tokenizer = await tokenizerOf(asked, io);
  const most = asked.json ? MOST_JSON_INPUT : MOST_INPUT;
  const given = fromStandardInput(input) ? readText("-", io, most, { keepMark: true }) : input.join(" ");
  const ids = tokenizer.encode(given, { special: asked.allowSpecial });
  if (asked.bos) {
    if (tokenizer.beginOfText === undefined)
      throw new SinterError(
        "input",
        `the ${tokenizer.name} tokenizer has no token that begins a text`,
        "Leave --bos out.",
      );
    ids.unshift(tokenizer.beginOfText);
  }
  if (!asked.json) return printIds(ids, io);
  const pieces = ids.map((id) => new TextDecoder().decode(tokenizer.bytes(id)));
  const facts = { tokens: ids, pieces, count: ids.length, bytes: Buffer.byteLength(given) };
  io.out(`${JSON.stringify(facts)}\n`);
}

function printIds(ids: readonly number[], io: Io): void {
  for (let at = 0; at < ids.length; at += SHOWN)
    io.out(`${at > 0 ? " " : ""}${ids.slice(at, at + SHOWN).join(" ")}`);
  io.out("\n");
}

async function decodeIds(input: readonly string[], asked: Asked, io: Io): Promise<void> {
  const tokenizer = await tokenizerOf(asked, io);
  const given = fromStandardInput(input) ? readText("-", io, MOST_INPUT) : input.join(" ");
  const words = given.split(/[\s,[\]]+/).filter((word) => word !== "");
  const ids = words.map((word, i) => {
    const id = /^\d{1,9}$/.test(word) ? Number(word) : NaN;
    if (!(id < tokenizer.size))
      throw new SinterError(
        "input",
        `number ${i + 1}, \`${word.slice(0, 20)}\`, is no token: ids are 0 … ${tokenizer.size - 1}`,
      );
    return id;
  });
  const decoded = decode(tokenizer, ids, { special: !asked.skipSpecial });
  if (asked.json) return io.out(`${JSON.stringify({ text: decoded, count: ids.length })}\n`);
  io.out(io.tty ? `${decoded}\n` : decoded);
}

const fromStandardInput = (input: readonly string[]): boolean =>
  input.length === 0 || (input.length === 1 && input[0] === "-");

async function tokenizerOf({ tokenizer: path }: Asked, io: Io): Promise<Tokenizer> {
  if (path === undefined)
    throw new SinterError(
      "usage",
      "which tokenizer?",
      "for example --tokenizer tokenizer.json, or the folder of a run",
    );
  if (path === "bytes") return byteTokenizer();
  await checkIfRun(path, io);
  const listener = brief((line) => io.err(`note: ${line}\n`));
  return openTokenizer(nodeFiles(), pathFrom(io, path), otherJson, listener);
}
