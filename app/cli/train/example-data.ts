/**
 * The data of a stage: files of examples, recognised, said aloud, divided into what is learnt and what is
 * held out, and encoded as rows. Whatever is left out is counted and named.
 */
import { counted, percent, thousands } from "../../../runtime/contract/amounts.ts";
import type { SftSettings, StageName } from "../../../runtime/contract/model.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { MAX_TEXT_BYTES } from "../../../runtime/base/text.ts";
import {
  textsOf,
  type Example,
  type ExampleKind,
  type ExampleOf,
} from "../../../runtime/train/examples/example.ts";
import { holdOut, sharedLine, sharedPrompts } from "../../../runtime/train/examples/held-out.ts";
import {
  droppedLine,
  examplesLine,
  readExamples,
  type Examples,
} from "../../../runtime/train/examples/read-examples.ts";
import { builtinPairsFile, builtinQuestionsFile } from "../../../runtime/train/sources/builtin-questions.ts";
import {
  encodeExamples,
  rowCount,
  type LearntExample,
  type LearntRows,
} from "../../../runtime/train/sources/learnt-rows.ts";
import { packedRows } from "../../../runtime/train/sources/row-plan.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { nameOf, readBytes } from "../terminal/input.ts";
import { dataPath } from "./data-text.ts";
import type { Io, Say } from "../terminal/io.ts";

/** A file as a record names it. */
export interface ReadFile {
  /** Absolute, or "-"; undefined: the built-in questions. */
  readonly path: string | undefined;
  readonly sha256: string;
}

/** What a stage learns from, and what it is measured on, as examples. */
export interface StageExamples<K extends ExampleKind> {
  readonly data: ReadFile;
  /** The file that is held out, where there is one. */
  readonly heldOutFile: ReadFile | undefined;
  readonly train: readonly ExampleOf<K>[];
  readonly heldOut: readonly ExampleOf<K>[];
}

export interface DataAsked {
  /** A path as the user gave it, or as a record has it; undefined: the built-in questions. */
  readonly data: string | undefined;
  readonly eval: string | undefined;
  readonly dropWrong: boolean;
  /** The share of the prompts that is held out, where there is no file for it. */
  readonly share: number;
}

/** Who reads, and which kinds of examples. */
export interface DataReader<K extends ExampleKind> {
  readonly stage: StageName;
  readonly kinds: readonly K[];
}

export async function readStageData<K extends ExampleKind>(
  reader: DataReader<K>,
  asked: DataAsked,
  say: Say,
  io: Io,
): Promise<StageExamples<K>> {
  const [data, examples] = await readFile(reader, asked.data, asked, say, io);
  if (asked.eval === undefined) {
    const parts = holdOut(examples.examples, asked.share, reader.stage);
    return { data, heldOutFile: undefined, ...parts };
  }
  const [heldOutFile, heldOut] = await readFile(reader, asked.eval, asked, say, io);
  const shared = sharedPrompts(examples.examples, heldOut.examples);
  const line = sharedLine(shared, heldOut.examples.length);
  if (line !== undefined) io.err(`warning: ${line}\n`);
  return { data, heldOutFile, train: examples.examples, heldOut: heldOut.examples };
}

const BUILT_IN = "the built-in questions";

/** What is there without a file: questions with a right answer each, or with a wrong one, too. */
const builtIn = (kinds: readonly ExampleKind[]): Uint8Array =>
  kinds.includes("pair") ? builtinPairsFile() : builtinQuestionsFile();

async function readFile<K extends ExampleKind>(
  { stage, kinds }: DataReader<K>,
  given: string | undefined,
  { dropWrong }: DataAsked,
  say: Say,
  io: Io,
): Promise<readonly [ReadFile, Examples<K>]> {
  const path = given === undefined ? undefined : dataPath(given, io);
  const bytes =
    path === undefined ? builtIn(kinds) : readBytes(path, io, MAX_TEXT_BYTES, { hint: "Check the path." });
  const from = given === undefined ? BUILT_IN : nameOf(given);
  const examples = readExamples(bytes, { from, wanted: kinds, user: `sinter ${stage}`, dropWrong });
  say(
    examplesLine(
      examples,
      kinds.every((kind) => kind === "prompt"),
    ),
  );
  for (const dropped of examples.dropped) say(droppedLine(dropped));
  return [{ path, sha256: await sha256(bytes) }, examples];
}

/** All that is said in examples: what a vocabulary of characters has to have. */
export const textOf = (examples: readonly Example[]): string => examples.flatMap(textsOf).join("\n");

export interface EncodeAsked extends Pick<SftSettings, "loss"> {
  readonly format: ChatFormat;
  readonly tokenizer: Tokenizer;
  readonly context: number;
  readonly vocab: number;
  readonly dropWrong: boolean;
}

export interface StageRows {
  readonly train: LearntRows;
  readonly heldOut: LearntRows | undefined;
}

/** The rows of a stage's examples; what is too long for the context is said. */
export async function encodeStage(
  { train, heldOut, data, heldOutFile }: StageExamples<LearntExample["kind"]>,
  asked: EncodeAsked,
  say: Say,
): Promise<StageRows> {
  const encode = async (examples: readonly LearntExample[], from: string): Promise<LearntRows> => {
    const { rows, dropped } = await encodeExamples(examples, { ...asked, from });
    for (const one of dropped) say(droppedLine(one));
    checkIds(rows, asked);
    return rows;
  };
  return {
    train: await encode(train, nameOf(data.path ?? BUILT_IN)),
    heldOut:
      heldOut.length === 0
        ? undefined
        : await encode(heldOut, nameOf((heldOutFile ?? data).path ?? BUILT_IN)),
  };
}

/** The tokenizer may know more tokens than the model has rows for. */
export function checkIds(
  { tokens }: LearntRows,
  { vocab, tokenizer }: Pick<EncodeAsked, "vocab" | "tokenizer">,
): void {
  const high = tokens.find((id) => id >= vocab);
  if (high !== undefined)
    throw new SinterError(
      "input",
      `the data need token ${high}, but the model's vocabulary ends at ${vocab - 1}`,
      `The ${tokenizer.name} tokenizer has ${tokenizer.size} tokens.`,
    );
}

/** "packed: 900 examples in 120 rows of 128 tokens, 97.3 % full". */
export function packingLine(rows: LearntRows, context: number): string {
  const packed = packedRows(rows, context).rows;
  const full = percent(rows.tokens.length / (packed * context), 1);
  const examples = counted(rowCount(rows), "example");
  return `packed: ${examples} in ${counted(packed, "row")} of ${context} tokens, ${full} full`;
}

/** "900 examples (12,345 tokens, 4,321 of them learnt)". */
export const rowsLine = (rows: LearntRows): string =>
  `${counted(rowCount(rows), "example")} (${thousands(rows.tokens.length)} tokens, ` +
  `${thousands(rows.counted)} of them learnt)`;
