/**
 * A text and what a model does with it, ready to be shown: numbers with the texts of their tokens, plain
 * data that can be sent from a thread to a page, or printed.
 */
import { exp } from "../contract/exp.ts";
import type { RunningModel } from "../engine/model.ts";
import { promptTokens } from "../sample/generate.ts";
import { likeliest } from "../sample/logprobs.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { nearestTokens } from "./embeddings.ts";
import { headSummaries, type HeadSummary } from "./heads.ts";
import { lookInside, lookLimit, type HeadPlace, type Inside } from "./inside.ts";
import { layerNeurons, neuronScores, strongest, type Answer, type NeuronPlace } from "./neurons.ts";
import { shownToken, type ShownToken } from "./token-text.ts";

export interface LikelyToken extends ShownToken {
  readonly probability: number;
}

/** What would be said behind a layer, after a token. */
export interface ShownCell {
  readonly top: readonly LikelyToken[];
  /** Of the token that follows in the text; undefined at its end. */
  readonly next: number | undefined;
}

export interface TextInside {
  readonly tokens: readonly ShownToken[];
  /** Tokens at the beginning of the text that were left out: there is no room for them. */
  readonly leftOut: number;
  readonly layers: number;
  readonly heads: number;
  /** Of each layer. */
  readonly neurons: readonly number[];
  /** [layers] of [heads, T, T]: by how much each token (row) looks at each (column). */
  readonly attention: readonly Float32Array[];
  readonly summaries: readonly HeadSummary[];
  readonly lens: {
    readonly positions: readonly number[];
    /** [layers + 1][positions] */
    readonly rows: readonly (readonly ShownCell[])[];
  };
  /** The likeliest next tokens. */
  readonly next: readonly LikelyToken[];
  /** The neurons that answer most strongly to the last token. */
  readonly strongest: readonly Answer[];
}

export interface TextInsideOptions {
  /** Heads that are switched off. */
  readonly without?: readonly HeadPlace[] | undefined;
  /** How many next tokens are told. Default: 10. */
  readonly count?: number | undefined;
  /** How many are told behind each layer, and after which tokens. Default: 3, after the last 12. */
  readonly lens?: { readonly top: number; readonly last: number } | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Looked {
  readonly shown: TextInside;
  /** All of it, for whoever asks for more. */
  readonly inside: Inside;
}

/** Looks at a text's end, as far as there is room. Throws `input` where the text has no token at all. */
export async function lookAtText(
  model: RunningModel,
  tokenizer: Tokenizer,
  text: string,
  { without = [], count = 10, lens = { top: 3, last: 12 }, signal }: TextInsideOptions = {},
): Promise<Looked> {
  const all = promptTokens(tokenizer, text);
  const tokens = all.slice(-(lookLimit(model) ?? all.length));
  const positions = [...tokens.keys()].slice(-lens.last);
  const inside = await lookInside(model, tokens, {
    heads: without.map((head) => ({ ...head, scale: 0 })),
    lens: { top: lens.top, positions },
    signal,
  });
  const show = (id: number): ShownToken => shownToken(tokenizer, id);
  const rows = inside.lens!.rows.map((cells) =>
    cells.map(({ top, next }): ShownCell => ({
      top: top.map(({ id, logprob }) => ({ ...show(id), probability: exp(logprob) })),
      next: next === undefined ? undefined : exp(next),
    })),
  );
  const shown: TextInside = {
    tokens: tokens.map(show),
    leftOut: all.length - tokens.length,
    layers: inside.layers.length,
    heads: inside.heads,
    neurons: inside.layers.map((_, layer) => layerNeurons(inside, layer)),
    attention: inside.layers.map(({ attention }) => attention),
    summaries: headSummaries(inside),
    lens: { positions, rows },
    next: likelyTokens(inside.logprobs, count, show),
    strongest: strongest(inside, tokens.length - 1, { count: 8 }),
  };
  return { shown, inside };
}

const likelyTokens = (
  logprobs: Float32Array,
  count: number,
  show: (id: number) => ShownToken,
): readonly LikelyToken[] =>
  likeliest(logprobs, count).map((id) => ({ ...show(id), probability: exp(logprobs[id]!) }));

export interface ShownNeighbour extends ShownToken {
  readonly cosine: number;
}

/** The tokens whose embeddings are nearest to a token's. */
export const neighboursOf = (
  model: RunningModel,
  tokenizer: Tokenizer,
  id: number,
  count = 10,
): readonly ShownNeighbour[] =>
  nearestTokens(model, id, {
    count,
    among: (other) => other < tokenizer.size && !tokenizer.absent?.has(other),
  }).map(({ id: other, cosine }) => ({ ...shownToken(tokenizer, other), cosine }));

/** A token, and how much a neuron speaks for it. */
export interface WrittenToken extends ShownToken {
  readonly score: number;
}

/** What a neuron speaks for most where it answers, and against. */
export function writtenBy(
  model: RunningModel,
  tokenizer: Tokenizer,
  place: NeuronPlace,
  count = 8,
): { readonly speaksFor: readonly WrittenToken[]; readonly against: readonly WrittenToken[] } {
  const scores = neuronScores(model, place);
  const told = (ids: readonly number[]): WrittenToken[] =>
    ids.map((id) => ({ ...shownToken(tokenizer, id), score: scores[id]! }));
  return {
    speaksFor: told(likeliest(scores, count)),
    against: told(
      likeliest(
        scores.map((score) => -score),
        count,
      ),
    ),
  };
}
