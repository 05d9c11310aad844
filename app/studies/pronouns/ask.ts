/** What a model makes of sentences up to "it": at what each head looks from there, and the next word. */
import { promptTokens } from "../../../runtime/sample/generate.ts";
import { likeliestToken } from "../../../runtime/sample/logprobs.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { headMap } from "../../../runtime/look/heads.ts";
import { lookInside, type HeadPlace } from "../../../runtime/look/inside.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { PronounSentence } from "../../../runtime/train/sources/builtin-pronouns.ts";

export interface Asked {
  readonly sentence: PronounSentence;
  /** The tokens up to "it", which is the last one. */
  readonly tokens: readonly number[];
  /** Where the sentence's nouns stand in `tokens`, in their order, and where the meant one does. */
  readonly nounsAt: readonly number[];
  readonly meantAt: number;
  /** By how much "it" looks at each token: of each head, the first layer's first. */
  readonly looks: readonly (HeadPlace & { readonly at: Float32Array })[];
  /** Whether the likeliest next word is the deed of the meant noun. */
  readonly isRight: boolean;
}

/** `off`: a head that is switched off meanwhile. */
export async function askAll(
  model: RunningModel,
  tokenizer: Tokenizer,
  sentences: readonly PronounSentence[],
  off?: HeadPlace,
): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  for (const sentence of sentences) {
    const tokens = promptTokens(tokenizer, sentence.before);
    const inside = await lookInside(model, tokens, { heads: off ? [{ ...off, scale: 0 }] : [] });
    const T = tokens.length;
    const looks = inside.layers.flatMap((_, layer) =>
      Array.from({ length: inside.heads }, (_, head) => ({
        layer,
        head,
        at: headMap(inside, { layer, head }).slice((T - 1) * T),
      })),
    );
    const placeOf = (noun: string): number => tokens.indexOf(wordToken(tokenizer, noun));
    asked.push({
      sentence,
      tokens,
      nounsAt: sentence.nouns.map(placeOf),
      meantAt: placeOf(sentence.meant),
      looks,
      isRight: likeliestToken(inside.logits) === wordToken(tokenizer, sentence.deed),
    });
  }
  return asked;
}

/** The one token that a word is. Throws where it is several. */
export function wordToken(tokenizer: Tokenizer, word: string): number {
  const ids = tokenizer.encode(` ${word}`);
  if (ids.length !== 1) throw new Error(`"${word}" is ${ids.length} tokens, not one`);
  return ids[0]!;
}
