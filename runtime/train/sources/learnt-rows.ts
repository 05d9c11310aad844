/**
 * Examples as rows of tokens and targets. Only answers are targets, each with the token that ends it:
 *
 *   tokens    <|user|>  2  +  2  <|end|>  <|assistant|>  4        0    0
 *   targets      −1    −1 −1 −1    −1         4        <|end|>   −1   −1
 *
 * A row that is longer than the context is left out and counted: an answer that is cut would be learnt
 * without its end.
 */
import { SinterError } from "../../base/errors.ts";
import type { SftSettings, StageName } from "../../contract/model.ts";
import type { ChatFormat } from "../../tokenizers/chat/chat.ts";
import { renderDialogue } from "../../tokenizers/chat/render-dialogue.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import type { AnswerExample, Example, TextExample } from "../examples/example.ts";
import type { Dropped } from "../examples/read-examples.ts";

export type LearntExample = AnswerExample | TextExample;

/** Rows one after the other: row i has the tokens and targets from starts[i] to starts[i + 1]. */
export interface LearntRows {
  readonly starts: Uint32Array;
  readonly tokens: Int32Array;
  /** −1: not counted. */
  readonly targets: Int32Array;
  /** The number of each row in its file, from 1. */
  readonly numbers: Uint32Array;
  /** How many targets are counted. */
  readonly counted: number;
}

export const rowCount = ({ numbers }: Pick<LearntRows, "numbers">): number => numbers.length;
export const rowLength = ({ starts }: Pick<LearntRows, "starts">, i: number): number =>
  starts[i + 1]! - starts[i]!;

/** The tokens of an example, and which of them are learnt. */
export interface LearntTokens {
  readonly ids: readonly number[];
  /** Whether the token is one that the model is to predict. */
  readonly learnt: readonly boolean[];
}

export interface LearntOptions {
  readonly format: ChatFormat;
  readonly tokenizer: Tokenizer;
  readonly loss: SftSettings["loss"];
}

/** Throws SinterError "input" where the tokenizer or the format can not take the example. */
export async function learntTokens(
  example: LearntExample,
  { format, tokenizer, loss }: LearntOptions,
): Promise<LearntTokens> {
  if (example.kind === "text") {
    const { beginOfText: begin, endOfText: end } = tokenizer;
    const text = tokenizer.encode(example.text);
    const ids = [...(begin === undefined ? [] : [begin]), ...text, ...(end === undefined ? [] : [end])];
    return { ids, learnt: ids.map(() => true) };
  }
  const { messages, learnt: chosen } = example;
  const wanted = loss === "last" ? chosen.slice(-1) : chosen;
  const upToLast = messages.slice(0, wanted.at(-1)! + 1);
  const { ids, answers } = await renderDialogue(format, tokenizer, upToLast, wanted[0]);
  if (loss === "all") return { ids, learnt: ids.map(() => true) };
  const learnt = ids.map(() => false);
  for (const { message, from, to } of answers) if (wanted.includes(message)) learnt.fill(true, from, to);
  return { ids, learnt };
}

export interface EncodeOptions extends LearntOptions, EncodeEachOptions {}

export interface EncodeEachOptions extends Omit<LearntOptions, "loss"> {
  /** The stage, for messages. Default: sft. */
  readonly stage?: StageName;
  /** The longest row, in tokens. */
  readonly context: number;
  /** The file's name, for messages. */
  readonly from: string;
  /** Leaves out rows that can not be encoded, instead of refusing the file. */
  readonly dropWrong: boolean;
}

export interface EncodedRows {
  readonly rows: LearntRows;
  readonly dropped: readonly Dropped[];
}

/** Throws SinterError "input" with the number of a row that can not be encoded, and where none is left. */
export const encodeExamples = (examples: readonly LearntExample[], o: EncodeOptions): Promise<EncodedRows> =>
  encodeEach(examples, o, async (example) => [await learntTokens(example, o)]);

/**
 * Encodes examples of which each becomes several rows, beside each other; all of them, or, where one is too
 * long, none. Throws as encodeExamples does.
 */
export async function encodeEach<E extends Example>(
  examples: readonly E[],
  o: EncodeEachOptions,
  tokensOf: (example: E) => Promise<readonly LearntTokens[]>,
): Promise<EncodedRows & { readonly kept: readonly E[] }> {
  const kept: E[] = [];
  const list = rowList();
  const tooLong: number[] = [];
  const wrong: number[] = [];
  let why = "";
  for (const example of examples) {
    const found = await tokensOf(example).catch((error: unknown) => {
      if (!(error instanceof SinterError) || error.kind !== "input") throw error;
      if (!o.dropWrong)
        throw new SinterError("input", `${o.from}, row ${example.row}: ${error.message}`, error.hint);
      why ||= error.message;
      wrong.push(example.row);
      return undefined;
    });
    if (found?.some(({ ids }) => ids.length - 1 > o.context)) tooLong.push(example.row);
    else if (found) {
      for (const one of found) list.add(one, example.row);
      kept.push(example);
    }
  }
  const dropped: Dropped[] = [
    ...(tooLong.length > 0 ? [{ why: `longer than ${o.context} tokens`, rows: tooLong }] : []),
    ...(wrong.length > 0 ? [{ why: `wrong (the first: ${why})`, rows: wrong }] : []),
  ];
  const rows = list.all();
  if (rows.counted > 0) return { rows, dropped, kept };
  throw new SinterError(
    "input",
    `${o.from}: nothing can be learnt from its ${examples.length} rows: ` +
      dropped.map((d) => `${d.rows.length} are ${d.why}`).join(", "),
    `A larger context takes longer rows, up to the model's: --set ${o.stage ?? "sft"}.context=N`,
  );
}

/** Gathers rows in arrays that grow. */
function rowList(): { add(row: LearntTokens, number: number): void; all(): LearntRows } {
  const starts = [0];
  const numbers: number[] = [];
  let tokens = new Int32Array(1 << 12);
  let targets = new Int32Array(1 << 12);
  let length = 0;
  let counted = 0;
  const room = (more: number): void => {
    if (length + more <= tokens.length) return;
    const size = Math.max(2 * tokens.length, length + more);
    tokens = grown(tokens, size);
    targets = grown(targets, size);
  };
  return {
    add({ ids, learnt }, number) {
      room(ids.length - 1);
      for (let i = 0; i + 1 < ids.length; i++, length++) {
        tokens[length] = ids[i]!;
        targets[length] = learnt[i + 1] ? ids[i + 1]! : -1;
        if (learnt[i + 1]) counted++;
      }
      starts.push(length);
      numbers.push(number);
    },
    all: () => ({
      starts: Uint32Array.from(starts),
      numbers: Uint32Array.from(numbers),
      tokens: tokens.slice(0, length),
      targets: targets.slice(0, length),
      counted,
    }),
  };
}

function grown(array: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(array);
  return larger;
}
