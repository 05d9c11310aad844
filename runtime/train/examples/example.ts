/**
 * Examples for what comes after pre-training: answers to learn, pairs of answers to prefer one of, answers
 * that were judged, prompts to try. A row of a file becomes one example, in a form that says nothing of how
 * the file was written.
 */
import type { ChatMessage } from "../../tokenizers/chat/chat.ts";

/** A text to learn as it stands. */
export interface TextExample {
  readonly kind: "text";
  readonly row: number;
  readonly text: string;
}

/** A dialogue, of which some answers are learnt. */
export interface AnswerExample {
  readonly kind: "answer";
  /** The row in its file, from 1. */
  readonly row: number;
  readonly messages: readonly ChatMessage[];
  /** The indices in `messages` of the answers that may be learnt; one at least. */
  readonly learnt: readonly number[];
}

/** Two ways to go on with a prompt, the first of which is better. */
export interface PairExample {
  readonly kind: "pair";
  readonly row: number;
  readonly prompt: readonly ChatMessage[];
  /** Begin with the assistant's message. */
  readonly chosen: readonly ChatMessage[];
  readonly rejected: readonly ChatMessage[];
  /** By how much their scores should differ, where the row says so. */
  readonly margin?: number;
}

/** An answer of which it is known whether it is good. */
export interface JudgedExample {
  readonly kind: "judged";
  readonly row: number;
  readonly prompt: readonly ChatMessage[];
  readonly answer: readonly ChatMessage[];
  readonly good: boolean;
}

/** A prompt, with the other columns of its row, which a reward may ask for. */
export interface PromptExample {
  readonly kind: "prompt";
  readonly row: number;
  readonly prompt: readonly ChatMessage[];
  readonly columns: Readonly<Record<string, unknown>>;
}

export type Example = TextExample | AnswerExample | PairExample | JudgedExample | PromptExample;
export type ExampleKind = Example["kind"];
export type ExampleOf<Kind extends ExampleKind> = Extract<Example, { readonly kind: Kind }>;

/** What messages ask, so far as two prompts can be told apart by it. */
export const askedIn = (prompt: readonly ChatMessage[]): string =>
  JSON.stringify(prompt.map(({ role, content }) => [role, content.trim()]));

/** A prompt with an answer to it, as an example of that answer. */
export const answerTo = (
  row: number,
  prompt: readonly ChatMessage[],
  answer: readonly ChatMessage[],
): AnswerExample => ({
  kind: "answer",
  row,
  messages: [...prompt, ...answer],
  learnt: answer.flatMap(({ role }, i) => (role === "assistant" ? [prompt.length + i] : [])),
});

/** What is said before what is learnt. Undefined: a text, which asks nothing. */
export function promptOf(example: Example): readonly ChatMessage[] | undefined {
  if (example.kind === "text") return undefined;
  return example.kind === "answer" ? example.messages.slice(0, example.learnt.at(-1)) : example.prompt;
}

/** All that is said in an example. */
export function textsOf(example: Example): readonly string[] {
  switch (example.kind) {
    case "text":
      return [example.text];
    case "answer":
      return contents(example.messages);
    case "pair":
      return contents([...example.prompt, ...example.chosen, ...example.rejected]);
    case "judged":
      return contents([...example.prompt, ...example.answer]);
    case "prompt":
      return contents(example.prompt);
  }
}

const contents = (messages: readonly ChatMessage[]): readonly string[] =>
  messages.map(({ content }) => content);
