/**
 * Removes the spaces that a vocabulary of words puts before its punctuation, as
 * `clean_up_tokenization_spaces` of tokenizer_config.json asks (huggingface.co/docs/transformers,
 * PreTrainedTokenizerBase.clean_up_tokenization). A missing key means no, as in the library since version
 * 4.45; files from before that and that rely on a yes say so.
 */

/** The replacements, applied in this order, each to all of the text. */
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
 * A rule begins with a space and has at most so many more characters. Behind that many other characters, no
 * rule can reach across a cut.
 */
const REACH = 3;

export interface SpaceCleaner {
  /** The text that is final by now. */
  push(text: string): string;
  end(): string;
}

/** Cleans a text as it comes in. */
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

/** The last position at which the text can be cut: no rule can span it. */
function safeCut(text: string): number {
  for (let cut = text.length; cut > 0; cut--) {
    const space = text.lastIndexOf(" ", cut - 1);
    if (space < 0 || cut - 1 - space >= REACH) return cut;
    cut = space + 1; // no cut behind this space is far enough from it, but one before it is
  }
  return 0;
}
