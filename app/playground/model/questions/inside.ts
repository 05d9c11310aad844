/**
 * What the open model does with a text, inside: asked at rest or between two steps. What is asked of a token
 * or of a neuron is about the text that was looked at last.
 */
import { SinterError } from "../../../../runtime/base/errors.ts";
import type { HeadPlace, Inside } from "../../../../runtime/look/inside.ts";
import {
  answersOf,
  excitingTokens,
  strongest,
  type Answer,
  type NeuronPlace,
} from "../../../../runtime/look/neurons.ts";
import {
  lookAtText,
  neighboursOf,
  writtenBy,
  type ShownNeighbour,
  type TextInside,
  type WrittenToken,
} from "../../../../runtime/look/text-inside.ts";
import { shownToken } from "../../../../runtime/look/token-text.ts";
import type { Call } from "../../page/thread-call.ts";
import type { OpenedModel } from "../opened-run.ts";

export interface AskedText {
  /** Undefined: how the text begins from which the model learns. */
  readonly text: string | undefined;
  /** A head that is switched off. */
  readonly without: HeadPlace | undefined;
}

export interface LookedAt extends TextInside {
  /** What was looked at. */
  readonly text: string;
  /** Updates that the model had seen. */
  readonly step: number;
}

/** A token of the text that was looked at last. */
export interface TokenInside {
  /** Of its embedding. */
  readonly nearest: readonly ShownNeighbour[];
  /** The neurons that answer most strongly to it, and what they speak for. */
  readonly neurons: readonly (Answer & { readonly speaksFor: readonly WrittenToken[] })[];
}

export interface NeuronInside {
  /** Its answer to each token of the text. */
  readonly answers: readonly number[];
  readonly speaksFor: readonly WrittenToken[];
  readonly against: readonly WrittenToken[];
}

/** A place in the text that the model learns from, where a neuron answers strongly. */
export interface ExcitingPlace {
  readonly value: number;
  readonly before: string;
  readonly token: string;
}

/** Characters with which a look begins, and of which the searched text has at most. */
const BEGIN = 48;
const SEARCHED = 12_000;
/** Tokens that are shown before one. */
const WORDS_BEFORE = 10;

export const insideQuestions = (opened: () => OpenedModel) => {
  let last: Inside | undefined;
  const lookedAt = (): Inside => {
    if (last) return last;
    throw new SinterError("input", "no text was looked at yet", "Type one.");
  };
  return {
    async look({ text, without }: AskedText, { signal, transfer }: Call): Promise<LookedAt> {
      const run = opened();
      const asked = text ?? beginOf(run.text);
      const { shown, inside } = await run.still(() =>
        lookAtText(run.model, run.tokenizer, asked, {
          signal,
          lens: { top: 3, last: Infinity },
          ...(without && { without: [without] }),
        }),
      );
      last = inside;
      transfer(...shown.attention.map(({ buffer }) => buffer as ArrayBuffer)); // read here no more
      return { ...shown, text: asked, step: run.step };
    },
    token: ({ position }: { readonly position: number }): Promise<TokenInside> =>
      tokenInside(opened(), lookedAt(), position),
    neuron: (place: NeuronPlace): Promise<NeuronInside> => neuronInside(opened(), lookedAt(), place),
    /** Searches the beginning of the text that the model learns from. Reports the share that is read. */
    excite: (place: NeuronPlace, call: Call<number>): Promise<readonly ExcitingPlace[]> =>
      excitedBy(opened(), place, call),
  };
};

const tokenInside = (run: OpenedModel, inside: Inside, position: number): Promise<TokenInside> =>
  run.still(async () => ({
    nearest: neighboursOf(run.model, run.tokenizer, inside.tokens[position]!, 8),
    neurons: strongest(inside, position, { count: 6 }).map((answer) => ({
      ...answer,
      speaksFor: writtenBy(run.model, run.tokenizer, answer, 5).speaksFor,
    })),
  }));

const neuronInside = (run: OpenedModel, inside: Inside, place: NeuronPlace): Promise<NeuronInside> =>
  run.still(async () => ({
    answers: [...answersOf(inside, place)],
    ...writtenBy(run.model, run.tokenizer, place),
  }));

async function excitedBy(
  run: OpenedModel,
  place: NeuronPlace,
  { signal, report }: Call<number>,
): Promise<readonly ExcitingPlace[]> {
  const { tokenizer } = run;
  const ids = tokenizer.encode(run.text.slice(0, SEARCHED));
  const found = await run.still(() =>
    excitingTokens(run.model, ids, place, {
      count: 8,
      signal,
      progress: (read) => report(read / ids.length),
    }),
  );
  const textOf = (id: number): string => shownToken(tokenizer, id).text;
  return found.map(({ at, value }) => ({
    value,
    before: ids
      .slice(Math.max(0, at - WORDS_BEFORE), at)
      .map(textOf)
      .join(""),
    token: textOf(ids[at]!),
  }));
}

/** A beginning that ends with a word. */
function beginOf(text: string): string {
  const begin = text.trimStart().slice(0, BEGIN);
  const end = begin.search(/\s\S*$/);
  return end > 0 ? begin.slice(0, end) : begin;
}
