/**
 * What every tokenizer can do. Its ids are 0 … size − 1 without the absent ones. The `bytes` of an id are the
 * UTF-8 text that it stands for.
 */
import type { TokenizerName } from "../../contract/model.ts";
import { concat } from "../../base/bytes.ts";
import { spaceCleaner } from "./clean-spaces.ts";

export interface EncodeOptions {
  /**
   * With true, the names of special tokens become these tokens. This is only for text that a program wrote,
   * such as a filled-in chat template: otherwise the author of a text could end a turn, or begin one in
   * another's name.
   */
  readonly special?: boolean;
}

export interface Tokenizer {
  readonly name: TokenizerName;
  /** The highest id plus 1. */
  readonly size: number;
  /**
   * Ids below `size` that no token has: a published vocabulary may have gaps. They are never drawn, and have
   * no bytes.
   */
  readonly absent?: ReadonlySet<number> | undefined;
  /** Throws a SinterError when the text has a character that no token stands for. */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * Encodes a long text without special tokens, and hands out its ids in several lists. All lists together
   * are what `encode` gives. A list is reused after `take` returns. A tokenizer without this method encodes
   * the text at once.
   */
  encodeInParts?(text: string, take: (ids: readonly number[]) => void): void;
  /**
   * Marks a text from an untrusted source, so that `encode` with special tokens finds none in it. A tokenizer
   * without this method leaves it to `guarded`.
   */
  plain?(text: string): string;
  /**
   * What an id adds to a text that has already begun; for a special token, its name. Throws RangeError where
   * there is no such id.
   */
  bytes(id: number): Uint8Array;
  /** The ids of special tokens by name. Plain text never becomes one of them. */
  readonly special: ReadonlyMap<string, number>;
  /** The token that stands for whatever no other token stands for. Undefined: there is none. */
  readonly unknown?: number | undefined;
  /** The token that stands before every text, if models with this tokenizer are trained so. */
  readonly beginOfText: number | undefined;
  /** The token that ends a document, in training and sampling; undefined when the vocabulary has none. */
  readonly endOfText: number | undefined;
  /** All tokens after which a model has nothing more to say: `endOfText`, the end of a turn, and others. */
  readonly stops: ReadonlySet<number>;
  /** `encode` puts a space before the text (sentencepiece), and decoding removes it. */
  readonly addsSpace: boolean;
  /**
   * Decoding removes the spaces before punctuation (clean_up_tokenization_spaces of tokenizer_config.json;
   * see clean-spaces.ts).
   */
  readonly cleansSpaces?: boolean | undefined;
  /** A line for the user about what the tokenizer's files hold that is not known here. */
  readonly note?: string | undefined;
  /** Files to store in a run, so that it can be sampled later: their contents by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The `encodeInParts` of a tokenizer in which every character stands for itself. */
export const characterByCharacter =
  (encode: Tokenizer["encode"]): NonNullable<Tokenizer["encodeInParts"]> =>
  (text, take) => {
    for (let from = 0, to = 0; from < text.length; from = to) {
      to = Math.min(from + AT_ONCE, text.length);
      if (to < text.length && isLow(text, to)) to--;
      take(encode(text.slice(from, to)));
    }
  };

const AT_ONCE = 1 << 20;
const isLow = (text: string, at: number): boolean =>
  text.charCodeAt(at) >= 0xdc00 && text.charCodeAt(at) < 0xe000;

/** The properties of a vocabulary without special tokens. */
export const nothingSpecial = {
  special: new Map<string, number>(),
  beginOfText: undefined,
  endOfText: undefined,
  stops: new Set<number>(),
  addsSpace: false,
} as const;

/** What stands between the documents of many text files, and GPT-2's name for that token. */
export const END_OF_TEXT = "<|endoftext|>";

export interface DecodeOptions {
  /** With false, special tokens are left out. */
  readonly special?: boolean;
}

/** The text of a sequence of ids. Bytes that are not UTF-8 become U+FFFD. */
export function decode(tokenizer: Tokenizer, ids: readonly number[], options: DecodeOptions = {}): string {
  const decoder = tokenDecoder(tokenizer, options);
  return decoder.push(ids) + decoder.end();
}

export interface TokenDecoder {
  /** The text that is final by now. */
  push(ids: readonly number[]): string;
  /** The text that was still waiting. Bytes of an incomplete character become U+FFFD. */
  end(): string;
}

/**
 * Turns ids into text as they come. A token may end in the middle of a character; then its bytes wait for the
 * rest.
 */
export function tokenDecoder(tokenizer: Tokenizer, { special = true }: DecodeOptions = {}): TokenDecoder {
  const specialIds = new Set(tokenizer.special.values());
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  const cleaner = tokenizer.cleansSpaces ? spaceCleaner() : undefined;
  const clean = (text: string): string => cleaner?.push(text) ?? text;
  let atBeginning = tokenizer.addsSpace;
  return {
    push(ids) {
      const parts: Uint8Array[] = [];
      for (const id of ids) {
        const isSpecial = specialIds.has(id);
        if (isSpecial && !special) continue;
        const bytes = tokenizer.bytes(id);
        parts.push(atBeginning && bytes[0] === SPACE && !isSpecial ? bytes.subarray(1) : bytes);
        atBeginning = false; // behind a special token that is shown, the space stays, as in the library
      }
      return clean(utf8.decode(concat(parts), { stream: true }));
    },
    end: () => clean(utf8.decode()) + (cleaner?.end() ?? ""),
  };
}

const SPACE = 0x20;

/** The `bytes` of a tokenizer that has a table of them, in which gaps are undefined. */
export const bytesFrom =
  (table: readonly (Uint8Array | undefined)[]) =>
  (id: number): Uint8Array => {
    if (!Number.isInteger(id) || id < 0 || id >= table.length)
      throw new RangeError(`there is no token ${id}; ids are 0 … ${table.length - 1}`);
    return table[id] ?? NOTHING;
  };

const NOTHING = new Uint8Array(0);

/** The ids at which a table of tokens is empty; undefined where there are none. */
export function absentIn(table: readonly unknown[]): ReadonlySet<number> | undefined {
  const absent = new Set<number>();
  for (let id = 0; id < table.length; id++) if (table[id] === undefined) absent.add(id);
  return absent.size === 0 ? undefined : absent;
}
