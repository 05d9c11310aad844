/**
 * Decoded text without the spaces that a vocabulary of words puts before its punctuation: what
 * `clean_up_tokenization_spaces` of
 * tokenizer_config.json asks for (huggingface.co/docs/transformers,
 * PreTrainedTokenizerBase.clean_up_tokenization). Absent means no,
 * as in the library since 4.45; before that it was said to be yes, and files that relied on it say so
 * themselves.
 */

/** In this order, each over the whole text. */
const rules: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

export const withoutExtraSpaces = (text: string): string =>
  rules.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);

/**
 * A rule begins with a space and has at most so many characters: behind so many others no rule reaches from
 * one part into the next.
 */
const REACH = 3;

export interface SpaceCleaner {
  /** What is certain of the text so far. */
  push(text: string): string;
  end(): string;
}

/** The same, as the text comes. */
export function spaceCleaner(): SpaceCleaner {
  let held = "";
  return {
    push(text) {
      held += text;
      const cut = safeCut(held);
      const out = withoutExtraSpaces(held.slice(0, cut));
      held = held.slice(cut);
      return out;
    },
    end() {
      const out = withoutExtraSpaces(held);
      held = "";
      return out;
    },
  };
}

/** The last place with no space among the characters before it that a rule could span. */
function safeCut(text: string): number {
  for (let cut = text.length; cut > 0; cut--) {
    const space = text.lastIndexOf(" ", cut - 1);
    if (space < 0 || cut - 1 - space >= REACH) return cut;
    cut = space + 1; // no place behind this space is far enough from it, and before it
  }
  return 0;
}
