/**
 * THE table of the shapes that a row may have, by its keys: what it is called, which keys it needs and which
 * it may have, what is learnt from it, and how it becomes an example. A file is of the first shape whose keys
 * its rows have, so a shape stands before those that need fewer of the same keys.
 *
 * The names are those of the field: Alpaca (Stanford), ShareGPT, messages (OpenAI), pairs of chosen and
 * rejected answers (hh-rlhf, TRL), answers with a label (KTO).
 */
import { isObject } from "../../base/schema.ts";
import type { ChatMessage } from "../../tokenizers/chat/chat.ts";
import type { Example, ExampleKind } from "./example.ts";
import { MESSAGE_FORM, messagesIn, type ReadMessage, type Starts } from "./messages.ts";
import { pairOfDialogues } from "./shared-prompt.ts";
import { columnOf, hasColumn, kindOfValue, optionalText, RowError, textIn, type Columns } from "./row.ts";

export interface Shape {
  readonly name: string;
  readonly kind: ExampleKind;
  readonly needs: readonly string[];
  readonly may: readonly string[];
  /** What the loss is on. */
  readonly learns: string;
  /** How a row is written, for messages. */
  readonly form: string;
  read(columns: Columns, row: number): Example;
  /** The prompt of a row alone, for those who want nothing else; absent: the shape has none. */
  prompt?(columns: Columns): readonly ChatMessage[];
}

// ---- the parts of a row

const user = (content: string): ReadMessage => ({ role: "user", content });
const assistant = (content: string): ReadMessage => ({ role: "assistant", content });

/** A column that holds a text, which one speaker says, or a list of messages. */
function said(columns: Columns, key: string, starts: Starts): ReadMessage[] {
  if (Array.isArray(columnOf(columns, key))) return messagesIn(columns, key, starts);
  if (starts === "answer") return [assistant(textIn(columns, key, "an answer"))];
  return [user(textIn(columns, key, "a prompt"))];
}

/** An answer in a column: a text, a list of messages, or one message (ShareGPT's chosen and rejected). */
const answerIn = (columns: Columns, key: string): ReadMessage[] =>
  said(isObject(columnOf(columns, key)) ? { [key]: [columnOf(columns, key)] } : columns, key, "answer");

/** Alpaca's prompt: the system's text, earlier questions and answers, the instruction with its input. */
function instructed(columns: Columns): ReadMessage[] {
  const instruction = textIn(columns, "instruction", "a prompt");
  const input = optionalText(columns, "input");
  const system = optionalText(columns, "system");
  return [
    ...(system.trim() === "" ? [] : [{ role: "system", content: system }]),
    ...historyIn(columns),
    user(input.trim() === "" ? instruction : `${instruction}\n${input}`),
  ];
}

function historyIn(columns: Columns): ReadMessage[] {
  const history = columnOf(columns, "history") ?? [];
  const isExchange = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === "string" && text !== "");
  if (!Array.isArray(history) || !history.every(isExchange))
    throw new RowError(
      `"history" is ${kindOfValue(history)}, not a list of questions with their answers`,
      'Write "history": [["question", "answer"], …].',
    );
  return history.flatMap(([question, answer]) => [user(question), assistant(answer)]);
}

/** The dialogue, of which the answers from message `first` on are learnt. */
function learning(row: number, messages: readonly ReadMessage[], first = 0): Example {
  const learnt = messages.flatMap(({ role, skipped }, i) =>
    i >= first && role === "assistant" && !skipped ? [i] : [],
  );
  if (learnt.length === 0)
    throw new RowError("it is without an answer: no message is of the assistant", `Add ${ANSWER_FORM}.`);
  return { kind: "answer", row, messages: messages.map(plain), learnt };
}

const ANSWER_FORM = MESSAGE_FORM.replace("user", "assistant");
const plain = ({ role, content }: ReadMessage): ChatMessage => ({ role, content });

function truth(columns: Columns, key: string): boolean {
  const value = columnOf(columns, key);
  if (typeof value === "boolean") return value;
  if (value === 0 || value === 1) return value === 1;
  throw new RowError(`"${key}" is ${kindOfValue(value)}, not true or false`, `Write "${key}": true.`);
}

// ---- shapes that come in several spellings

/** A prompt in a column of its own: a text, or messages of which the last is not an answer. */
const question = (key: string) => (columns: Columns) => {
  const messages = said(columns, key, "dialogue");
  if (messages.at(-1)!.role !== "assistant") return messages;
  throw new RowError(
    `"${key}" ends with the assistant, so nothing is asked`,
    "Leave its last message out, or put it into the answer.",
  );
};

/** Alpaca, and the pairs and judged answers whose prompts are written so. */
const alpacaKeys = ["input", "system", "history"] as const;

const promptAndAnswer = (asked: string, answer: string): Shape => ({
  name: "prompts with answers",
  kind: "answer",
  needs: [asked, answer],
  may: [],
  learns: answer,
  form: `{"${asked}": "…", "${answer}": "…"}`,
  read(columns, row) {
    const prompt = said(columns, asked, "dialogue");
    return learning(row, [...prompt, ...said(columns, answer, "answer")], prompt.length);
  },
  prompt: question(asked),
});

const messageList = (name: string, key: string, form: string): Shape => ({
  name,
  kind: "answer",
  needs: [key],
  may: [],
  learns: "the assistant's messages",
  form,
  read: (columns, row) => learning(row, messagesIn(columns, key)),
  prompt: (columns) => beforeAnswer(messagesIn(columns, key)),
});

/** The messages up to the last answer, which is what is to be found. */
function beforeAnswer(messages: readonly ReadMessage[]): readonly ChatMessage[] {
  const rest = messages.at(-1)?.role === "assistant" ? messages.slice(0, -1) : messages;
  return rest.map(plain);
}

function marginIn(columns: Columns): { readonly margin?: number } {
  if (!hasColumn(columns, "margin")) return {};
  const margin = columnOf(columns, "margin");
  if (typeof margin === "number" && Number.isFinite(margin)) return { margin };
  throw new RowError(`"margin" is ${kindOfValue(margin)}, not a number`, 'Write "margin": 1.5.');
}

type ReadPrompt = (columns: Columns) => readonly ReadMessage[];

const pairs = (name: string, needs: readonly string[], may: readonly string[], ask: ReadPrompt): Shape => ({
  name,
  kind: "pair",
  needs: [...needs, "chosen", "rejected"],
  may: [...may, "margin"],
  learns: "chosen rather than rejected",
  form: `{${needs.map((key) => `"${key}": "…", `).join("")}"chosen": "…", "rejected": "…"}`,
  read: (columns, row) => ({
    kind: "pair",
    row,
    prompt: ask(columns).map(plain),
    chosen: answerIn(columns, "chosen").map(plain),
    rejected: answerIn(columns, "rejected").map(plain),
    ...marginIn(columns),
  }),
  prompt: (columns) => ask(columns).map(plain),
});

interface Judged {
  readonly name: string;
  readonly needs: readonly [asked: string, answer: string];
  readonly may: readonly string[];
  readonly ask: ReadPrompt;
}

const judged = ({ name, needs, may, ask }: Judged, label: string): Shape => ({
  name: `${name} and labels`,
  kind: "judged",
  needs: [...needs, label],
  may,
  learns: `${needs[1]}, as ${label} says`,
  form: `{${needs.map((key) => `"${key}": "…", `).join("")}"${label}": true}`,
  read: (columns, row) => ({
    kind: "judged",
    row,
    prompt: ask(columns).map(plain),
    answer: said(columns, needs[1], "answer").map(plain),
    good: truth(columns, label),
  }),
  prompt: (columns) => ask(columns).map(plain),
});

/** Whole dialogues with a label: the last message is the answer. */
const judgedMessages = (key: string, label: string): Shape => ({
  name: `${key} and labels`,
  kind: "judged",
  needs: [key, label],
  may: [],
  learns: `the last message, as ${label} says`,
  form: `{"${key}": [${MESSAGE_FORM}, ${ANSWER_FORM}], "${label}": true}`,
  read(columns, row) {
    const messages = messagesIn(columns, key).map(plain);
    if (messages.at(-1)!.role !== "assistant")
      throw new RowError("it is without an answer: the last message is the user's", `Add ${ANSWER_FORM}.`);
    const answer = messages.slice(-1);
    return { kind: "judged", row, prompt: messages.slice(0, -1), answer, good: truth(columns, label) };
  },
});

const judgedShapes: readonly Judged[] = [
  { name: "prompts with answers", needs: ["prompt", "completion"], may: [], ask: question("prompt") },
  { name: "Alpaca", needs: ["instruction", "output"], may: alpacaKeys, ask: instructed },
];
const labels = ["label", "kto_tag"] as const;
const questionsAndAnswers = [
  ["prompt", "completion"],
  ["prompt", "response"],
  ["question", "answer"],
  ["question", "response"],
  ["query", "response"],
  ["query", "answer"],
] as const;
const SHAREGPT_FORM = '{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}';

export const shapes: readonly Shape[] = [
  pairs("pairs", ["prompt"], [], question("prompt")),
  pairs("pairs", ["question"], [], question("question")),
  pairs("Alpaca pairs", ["instruction"], alpacaKeys, instructed),
  pairs("ShareGPT pairs", ["conversations"], [], (columns) => messagesIn(columns, "conversations")),
  pairs("pairs", ["messages"], [], (columns) => messagesIn(columns, "messages")),
  {
    name: "pairs of dialogues",
    kind: "pair",
    needs: ["chosen", "rejected"],
    may: ["margin"],
    learns: "chosen rather than rejected, behind the turns that both share",
    form: '{"prompt": "…", "chosen": "…", "rejected": "…"}',
    read: (columns, row) => ({ kind: "pair", row, ...pairOfDialogues(columns), ...marginIn(columns) }),
    prompt: (columns) => pairOfDialogues(columns).prompt,
  },
  ...labels.flatMap((label) => [
    ...judgedShapes.map((shape) => judged(shape, label)),
    judgedMessages("messages", label),
    judgedMessages("conversations", label),
  ]),
  ...questionsAndAnswers.map(([asked, answer]) => promptAndAnswer(asked, answer)),
  {
    name: "Alpaca",
    kind: "answer",
    needs: ["instruction", "output"],
    may: alpacaKeys,
    learns: "output",
    form: '{"instruction": "…", "input": "…", "output": "…"}',
    read: (columns, row) =>
      learning(row, [...instructed(columns), assistant(textIn(columns, "output", "an answer"))]),
    prompt: (columns) => instructed(columns).map(plain),
  },
  messageList("messages", "messages", `{"messages": [${MESSAGE_FORM}, ${ANSWER_FORM}]}`),
  messageList("ShareGPT", "conversations", SHAREGPT_FORM),
  {
    name: "text",
    kind: "text",
    needs: ["text"],
    may: [],
    learns: "all of it",
    form: '{"text": "…"}',
    read: (columns, row) => ({ kind: "text", row, text: textIn(columns, "text", "a text") }),
  },
  ...["prompt", "question", "instruction"].map((key): Shape => {
    const ask = key === "instruction" ? instructed : question(key);
    return {
      name: "prompts",
      kind: "prompt",
      needs: [key],
      may: key === "instruction" ? alpacaKeys : [],
      learns: "nothing: they are answered, and the answers rewarded",
      form: `{"${key}": "…", "answer": "…"}`,
      read: (columns, row) => ({ kind: "prompt", row, prompt: ask(columns).map(plain), columns }),
      prompt: (columns) => ask(columns).map(plain),
    };
  }),
];

/** The first shape whose keys a row has. A key with null counts as absent. */
export const shapeOf = (columns: Columns): Shape | undefined =>
  shapes.find(({ needs }) => needs.every((key) => hasColumn(columns, key)));
