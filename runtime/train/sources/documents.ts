/**
 * The documents of a text, and the tokens that begin and end each. A file of many documents (TinyStories,
 * OpenWebText) has <|endoftext|> between them. Where every document is a row of its own, a text without this
 * mark has one document per line.
 */
import { END_OF_TEXT, type Tokenizer } from "../../tokenizers/base/tokenizer.ts";

/**
 * Which tokens stand around documents has changed once. A run keeps the rule that it began under (`textRule`
 * in its record), so that it learns from the same ids when it goes on.
 *
 *   1  where the vocabulary has a token that begins texts, none ended them: a model never learnt to end
 *   2  as described here
 */
export const textRules = [1, 2] as const;
export type TextRule = (typeof textRules)[number];
export const TEXT_RULE: TextRule = 2;
/**
 * The rule of records that name none. Imported models are among these: whether they have learnt to end a text
 * is not known.
 */
export const OLD_TEXT_RULE: TextRule = 1;

export interface Document {
  readonly text: string;
  /** Tokens before and after it. */
  readonly begin: readonly number[];
  readonly end: readonly number[];
}

/**
 * A running text as the documents that follow each other in it, without the white space around separators:
 *
 *   a token that begins texts, one that ends them    <s> one </s> <s> two </s>
 *   one that ends them, as GPT-2 has                 one <|endoftext|> two
 *   one that begins them                             <s> one <s> two
 *   neither, or a text without separators            one document, which nothing is known to end
 */
export function documentsIn(text: string, tokenizer: Tokenizer, rule: TextRule): readonly Document[] {
  const { beginOfText, endOfText } = tokenizer;
  const begin = beginOfText === undefined ? [] : [beginOfText];
  const isOne = (beginOfText === undefined && endOfText === undefined) || !text.includes(END_OF_TEXT);
  if (isOne) return [{ text, begin, end: [] }];
  const end = endOfText === undefined || (beginOfText !== undefined && rule === 1) ? [] : [endOfText];
  const pieces = text.split(END_OF_TEXT);
  const isBetween = beginOfText === undefined; // a token that only ends stands where a separator stands
  return pieces
    .map((piece, i) => ({ text: piece.trim(), begin, end: isBetween && i === pieces.length - 1 ? [] : end }))
    .filter((document) => document.text !== "");
}

export interface DocumentTexts {
  readonly texts: readonly string[];
  /** What stands between two of them in the file. */
  readonly separator: typeof END_OF_TEXT | "\n";
}

/** Every document by itself, without the white space around it. Empty documents are left out. */
export function documentTexts(text: string): DocumentTexts {
  const separator = text.includes(END_OF_TEXT) ? END_OF_TEXT : "\n";
  const texts = text
    .split(separator)
    .map((piece) => piece.trim())
    .filter((piece) => piece !== "");
  return { texts, separator };
}

/**
 * The tokenizer as it is seen by a model whose rows are documents: every text begins with a token, and if the
 * vocabulary has none for that, with the one that ends texts. Undefined: the vocabulary has no token that
 * ends texts.
 */
export function documentTokenizer(tokenizer: Tokenizer): Tokenizer | undefined {
  const { beginOfText, endOfText } = tokenizer;
  return endOfText === undefined ? undefined : { ...tokenizer, beginOfText: beginOfText ?? endOfText };
}
