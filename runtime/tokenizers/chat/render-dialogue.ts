/**
 * A dialogue as tokens, with the ranges of its answers: the one renderer of training, evaluation and chat.
 *
 *   <|user|> 2 + 2 = <|end|> <|assistant|> 4 <|end|>
 *                                          ‾‾‾‾‾‾‾‾‾   an answer: its text, and the token that ends it
 *
 * Prompts, answers and what stands between them are tokenised apart and joined, as a conversation comes about
 * (chat-turns.ts): a model that is asked sees the same ids as it has learnt from, and no token holds the end
 * of a question and the beginning of its answer. What is an answer follows from where it stands, never from
 * what its tokens are, so that an end token within a message changes nothing.
 */
import { SinterError } from "../../base/errors.ts";
import { decode, type Tokenizer } from "../base/tokenizer.ts";
import { plainText, type ChatFormat, type ChatMessage } from "./chat.ts";
import { answerAt, encodeBehind, nextPrompt, type Prompt, type Turn } from "./chat-turns.ts";

/** The tokens [from, to) of an answer, with the token that ends it. */
export interface AnswerRange {
  /** Its index among the messages. */
  readonly message: number;
  readonly from: number;
  readonly to: number;
}

export interface Rendered {
  readonly ids: readonly number[];
  /** One for each message of the assistant from the first that counts, in their order. */
  readonly answers: readonly AnswerRange[];
}

/**
 * The tokens up to the end of the last answer. Answers before message `first` are part of the prompt of the
 * first one that counts. Throws SinterError "input" where the format has no token that
 * ends an answer, or writes an answer elsewhere than behind its prompt.
 */
export async function renderDialogue(
  format: ChatFormat,
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  first = 0,
): Promise<Rendered> {
  const answers: AnswerRange[] = [];
  let ids: readonly number[] = [];
  let before: Turn | undefined;
  for (const [i, { role }] of messages.entries()) {
    if (role !== "assistant" || i < first) continue;
    const prompt = await nextPrompt(format, tokenizer, messages.slice(0, i), before);
    if (before && !startsWith(prompt.ids, ids)) throw rewritten();
    const answer = answerBehind(prompt, await format.render(messages.slice(0, i + 1), false), messages[i]!);
    const { drawn, end } = tokensOf(tokenizer, answer);
    ids = [...prompt.ids, ...drawn, ...end];
    answers.push({ message: i, from: prompt.ids.length, to: ids.length });
    before = { prompt, drawn, said: decode(tokenizer, drawn, { special: false }), content: answer.content };
  }
  return { ids, answers };

  /** The text of an answer as the format writes it, and of what follows; marks are by their names. */
  function answerBehind(prompt: Prompt, whole: string, { content }: ChatMessage): WrittenAnswer {
    const rest = whole.startsWith(prompt.text) ? whole.slice(prompt.text.length) : undefined;
    for (const said of [content, content.trim()]) {
      const shown = plainText(tokenizer, said);
      const at = rest === undefined ? undefined : answerAt(rest, shown);
      if (rest === undefined || at === undefined) continue;
      const end = at + shown.length;
      return { text: rest.slice(0, end), behind: rest.slice(end), content: said };
    }
    throw new SinterError(
      "input",
      "the chat format writes an answer elsewhere than behind the prompt that asks for it",
      "No range of tokens is the answer then. Use another format: --chat-format NAME.",
    );
  }
}

interface WrittenAnswer {
  readonly text: string;
  readonly behind: string;
  /** The message's content, so far as it is written. */
  readonly content: string;
}

function tokensOf(
  tokenizer: Tokenizer,
  { text, behind }: WrittenAnswer,
): { readonly drawn: readonly number[]; readonly end: readonly number[] } {
  const drawn = encodeBehind(tokenizer, text);
  const after = encodeBehind(tokenizer, behind);
  refuseUnknown(tokenizer, drawn ?? tokenizer.encode(text), text);
  if (!drawn || !after)
    throw new SinterError(
      "input",
      `the ${tokenizer.name} tokenizer can not go on within a text, so an answer has no tokens of its own`,
      "Use another --chat-format.",
    );
  const at = after.findIndex((id) => tokenizer.stops.has(id));
  const isBlank = at >= 0 && decode(tokenizer, after.slice(0, at)).trim() === "";
  if (isBlank) return { drawn, end: after.slice(0, at + 1) };
  throw new SinterError(
    "input",
    "no token ends an answer in this chat format, so a model would never learn to stop",
    "Use --chat-format turns, or another with a token for it.",
  );
}

/** An answer in which the unknown token stands for something would teach the model to write that token. */
function refuseUnknown(tokenizer: Tokenizer, ids: readonly number[], text: string): void {
  const { unknown } = tokenizer;
  if (unknown === undefined || !ids.includes(unknown)) return;
  const character = [...text].find((one) => tokenizer.encode(one).includes(unknown)) ?? text;
  throw new SinterError(
    "input",
    `the ${tokenizer.name} tokenizer has no token for ${JSON.stringify(character)} in an answer`,
    "Leave such rows out (--drop-wrong), or begin with a model whose tokenizer knows them.",
  );
}

const rewritten = (): SinterError =>
  new SinterError(
    "input",
    "the chat format writes earlier turns in another way when later ones follow",
    "Learn the last answer of each dialogue alone: `sft { loss last }`; or use another --chat-format.",
  );

const startsWith = (ids: readonly number[], beginning: readonly number[]): boolean =>
  beginning.every((id, i) => ids[i] === id);

/** The tokens of a prompt alone: what a model is asked for an answer to. */
export const renderPrompt = async (
  format: ChatFormat,
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
): Promise<readonly number[]> => (await nextPrompt(format, tokenizer, messages)).ids;
