/**
 * What a model answers to questions whose answers are known: how many are right to the letter, how many end
 * by themselves, and how long they are. The likeliest token is taken each time.
 */
import type { RunningModel } from "../engine/model.ts";
import { generate } from "../sample/generate.ts";
import { samplerDefaults } from "../sample/sampler.ts";
import type { ChatFormat } from "../tokenizers/chat/chat.ts";
import { renderPrompt } from "../tokenizers/chat/render-dialogue.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import type { AnswerExample } from "./examples/example.ts";

export interface Answered {
  /** The question's row in its file. */
  readonly row: number;
  readonly question: string;
  readonly wanted: string;
  readonly answer: string;
  readonly right: boolean;
  /** Whether a token ended it, not its length. */
  readonly stopped: boolean;
  /** Tokens of the answer, without the one that ends it. */
  readonly tokens: number;
}

export interface AnswerOptions {
  readonly format: ChatFormat;
  readonly tokenizer: Tokenizer;
  /** Most tokens of an answer. */
  readonly tokens: number;
  readonly signal?: AbortSignal | undefined;
  /** Hears each answer as it comes. */
  heard?(answered: Answered, count: number): void;
}

/** Answers the last question of each example. It ends early at the signal. */
export async function answerExamples(
  model: RunningModel,
  examples: readonly AnswerExample[],
  { format, tokenizer, tokens, signal, heard }: AnswerOptions,
): Promise<readonly Answered[]> {
  const all: Answered[] = [];
  for (const { row, messages, learnt } of examples) {
    const at = learnt.at(-1)!;
    const prompt = messages.slice(0, at);
    const made = await generate(model, tokenizer, {
      ...samplerDefaults,
      temperature: 0,
      prompt: await renderPrompt(format, tokenizer, prompt),
      tokens,
      seed: 0,
      special: false,
      whenFull: "stop",
      ...(format.stops && { stop: format.stops }),
      signal,
    });
    if (made.reason === "aborted") break;
    const wanted = messages[at]!.content;
    const answered: Answered = {
      row,
      question: prompt.at(-1)?.content ?? "",
      wanted,
      answer: made.text,
      right: made.text.trim() === wanted.trim(),
      stopped: made.reason === "end of text" || made.reason === "stop",
      tokens: made.tokens.length,
    };
    all.push(answered);
    heard?.(answered, all.length);
  }
  return all;
}

export interface AnswerFigures {
  readonly answers: number;
  /** Shares of them. */
  readonly exactMatch: number;
  readonly stopped: number;
  /** Mean length in tokens. */
  readonly meanLength: number;
}

export function answerFigures(all: readonly Answered[]): AnswerFigures {
  const share = (is: (one: Answered) => boolean): number => all.filter(is).length / all.length;
  return {
    answers: all.length,
    exactMatch: share(({ right }) => right),
    stopped: share(({ stopped }) => stopped),
    meanLength: all.reduce((sum, { tokens }) => sum + tokens, 0) / all.length,
  };
}
