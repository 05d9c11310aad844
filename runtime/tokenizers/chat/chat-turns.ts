/**
 * Continues a conversation behind the answer as it was drawn. If the answer were encoded anew, it could
 * become other tokens than the model chose: the model would see something that it never said, and the
 * answer's keys and values would be computed twice. So the next prompt is the last prompt, the drawn tokens,
 * and the tokens of what the format writes behind them. This needs a format that writes the answer right
 * behind the last prompt. A format that changes what was said (one that leaves out thoughts, or earlier
 * turns) makes the whole conversation be encoded anew.
 */
import { concat } from "../../base/bytes.ts";
import { SinterError } from "../../base/errors.ts";
import { unguarded } from "../base/added-tokens.ts";
import { plainText, type ChatFormat, type ChatMessage } from "./chat.ts";
import { tokenDecoder, type Tokenizer } from "../base/tokenizer.ts";

/** What a model was asked. */
export interface Prompt {
  /** The text that the format makes, with the beginning of the answer. */
  readonly text: string;
  readonly ids: readonly number[];
}

/** A prompt that was answered. */
export interface Turn {
  readonly prompt: Prompt;
  /** The tokens as they were drawn. Some at the end may belong to the text that ended the answer. */
  readonly drawn: readonly number[];
  /** Their text without special tokens, and without the text that ended the answer. */
  readonly said: string;
  /** The answer as it stands in the messages. */
  readonly content: string;
}

/** The next prompt. `before` is the turn whose answer is the last message but one. */
export async function nextPrompt(
  format: ChatFormat,
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  before?: Turn,
): Promise<Prompt> {
  const text = await format.render(messages, true);
  const ids = (before && behindAnswer(tokenizer, text, before)) ?? (await format.encode(messages, true));
  if (ids.length > 0) return { text, ids };
  throw new SinterError(
    "input",
    "the chat template writes nothing for these messages",
    "--chat-format names another format, plain one without marks.",
  );
}

/**
 * The prompt behind an answer; undefined where the answer does not stand right behind the prompt that it
 * answers, or where the tokenizer cannot continue in the middle of a text.
 */
export function behindAnswer(
  tokenizer: Tokenizer,
  text: string,
  { prompt, drawn, said, content }: Turn,
): readonly number[] | undefined {
  if (!text.startsWith(prompt.text)) return undefined;
  const rest = text.slice(prompt.text.length);
  const answer = plainText(tokenizer, content);
  const at = answerAt(rest, answer);
  if (at === undefined) return undefined;
  const { count, left } = withinSaid(tokenizer, drawn, said);
  const behind = encodeBehind(tokenizer, plainText(tokenizer, left) + rest.slice(at + answer.length));
  return behind && [...prompt.ids, ...drawn.slice(0, count), ...behind];
}

/**
 * Where an answer begins in the text behind its prompt; undefined where it does not stand there. White space
 * before it belongs to the answer, if the model has drawn any.
 */
export function answerAt(rest: string, answer: string): number | undefined {
  const blank = answer === "" ? 0 : rest.length - rest.trimStart().length;
  return [0, blank].find((at) => rest.startsWith(answer, at));
}

/**
 * How many tokens belong completely to what was said, and the rest of it as text: the text that ended the
 * answer may have begun within a token.
 */
function withinSaid(
  tokenizer: Tokenizer,
  drawn: readonly number[],
  said: string,
): { readonly count: number; readonly left: string } {
  const whole = tokenDecoder(tokenizer, { special: false });
  if (whole.push(drawn) + whole.end() === said) return { count: drawn.length, left: "" };
  const decoder = tokenDecoder(tokenizer, { special: false });
  let text = "";
  let count = 0;
  for (const id of drawn) {
    const longer = text + decoder.push([id]);
    if (!said.startsWith(longer)) break;
    text = longer;
    count++;
  }
  return { count, left: said.slice(text.length) };
}

const SPACE = 0x20;

/**
 * The ids of a text that a program wrote, to be appended to others; undefined where the tokenizer would write
 * a space before it that is not there.
 */
export function encodeBehind(tokenizer: Tokenizer, text: string): readonly number[] | undefined {
  const ids = tokenizer.encode(text, { special: true });
  if (!tokenizer.addsSpace) return ids;
  const special = new Set(tokenizer.special.values());
  const mark = ids.findIndex((id) => special.has(id));
  const end = mark < 0 ? ids.length : mark;
  const head = withoutAddedSpace(tokenizer, beforeMarks(text, tokenizer), ids.slice(0, end));
  return head && [...head, ...ids.slice(end)];
}

/** The beginning of a text, up to the first special token in it. */
function beforeMarks(text: string, { special }: Tokenizer): string {
  const marks = [...special.keys()].map((name) => text.indexOf(name)).filter((at) => at >= 0);
  return unguarded(text.slice(0, Math.min(text.length, ...marks)));
}

/** `ids` is what the tokenizer makes of `head`, with a space before it. */
function withoutAddedSpace(
  tokenizer: Tokenizer,
  head: string,
  ids: readonly number[],
): readonly number[] | undefined {
  const plain = new TextEncoder().encode(head);
  const isSpace = (id: number | undefined): boolean =>
    id !== undefined && equal(tokenizer.bytes(id), Uint8Array.of(SPACE));
  const line = tokenizer.encode("\n");
  const [space] = line; // the added space by itself
  const behindLine = tokenizer.encode(`\n${head}`);
  const candidates: readonly (readonly number[])[] = [
    ids,
    ...(isSpace(ids[0]) ? [ids.slice(1)] : []),
    ...(head.startsWith(" ") ? [tokenizer.encode(head.slice(1))] : []),
    ...(isSpace(space) ? [[space!]] : []),
    // behind a line break, which no token of a word has in it
    ...(line.every((id, i) => behindLine[i] === id) ? [behindLine.slice(line.length)] : []),
  ];
  return candidates.find((some) => equal(concat(some.map(tokenizer.bytes)), plain));
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
