/**
 * What every tokenizer can do. Ids are 0 … size − 1, but for absent ones; `bytes` of an id are what it stands
 * for in UTF-8 text.
 */
import type { TokenizerName } from "../../contract/model.ts";
import { concat } from "../../base/bytes.ts";
import { spaceCleaner } from "./clean-spaces.ts";

export interface EncodeOptions {
  /**
   * true: the names of special tokens become these tokens. Only for text that a program wrote, such as a
   * filled-in chat template: otherwise whoever wrote the text could end a turn, or begin one in another's
   * name.
   */
  readonly special?: boolean;
}

export interface Tokenizer {
  readonly name: TokenizerName;
  /** The highest id, and 1. */
  readonly size: number;
  /**
   * Ids below `size` that no token has: a published vocabulary may have gaps. They are never drawn, and stand
   * for no bytes.
   */
  readonly absent?: ReadonlySet<number> | undefined;
  /** Throws SinterError when the text has a character that no token stands for. */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * The ids of a long text, without special tokens, in lists that follow each other: together they are what
   * `encode` gives, wherever one list ends. A list is used again after `take`. Absent: `encode` has to do it
   * at once.
   */
  encodeInParts?(text: string, take: (ids: readonly number[]) => void): void;
  /**
   * A stranger's text, so marked that `encode` with special tokens finds none in it. Absent: `guarded` does
   * it.
   */
  plain?(text: string): string;
  /**
   * What an id adds to a text that has begun; of a special token its name. Throws RangeError where there is
   * no such id.
   */
  bytes(id: number): Uint8Array;
  /** Names of special tokens → ids. Plain text never becomes one of them. */
  readonly special: ReadonlyMap<string, number>;
  /** Stands before the first token of every text, where models of this kind are trained so. */
  readonly beginOfText: number | undefined;
  /** Text that ends a document, in training and sampling; undefined when the vocabulary has none. */
  readonly endOfText: number | undefined;
  /** All tokens after which a model has nothing more to say: `endOfText`, the end of a turn, … */
  readonly stops: ReadonlySet<number>;
  /**
   * `encode` puts one space before the text (sentencepiece), which decoding takes away from its beginning.
   */
  readonly addsSpace: boolean;
  /**
   * Decoded text loses the spaces before its punctuation (tokenizer_config.json's
   * clean_up_tokenization_spaces; clean-spaces.ts).
   */
  readonly cleansSpaces?: boolean | undefined;
  /** One line for the user: what its files hold that is not known here. */
  readonly note?: string | undefined;
  /** Files to keep beside a run, so that it can be sampled later: name → contents. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** `encodeInParts` of a tokenizer whose every character stands for itself. */
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

/** Of a vocabulary without special tokens. */
export const nothingSpecial = {
  special: new Map<string, number>(),
  beginOfText: undefined,
  endOfText: undefined,
  stops: new Set<number>(),
  addsSpace: false,
} as const;

/** What stands between documents in text files of many, and GPT-2's name of the token for it. */
export const END_OF_TEXT = "<|endoftext|>";

/**
 * Of bytes or characters with one token more, which begins and ends every document: for models whose rows are
 * documents.
 */
export const endsAt = (id: number) =>
  ({
    special: new Map([[END_OF_TEXT, id]]),
    beginOfText: id,
    endOfText: id,
    stops: new Set([id]),
    addsSpace: false,
  }) as const;

export interface DecodeOptions {
  /** false: special tokens are left out. */
  readonly special?: boolean;
}

/** Text of a whole sequence; bytes that are not UTF-8 become U+FFFD. */
export function decode(tokenizer: Tokenizer, ids: readonly number[], options: DecodeOptions = {}): string {
  const decoder = tokenDecoder(tokenizer, options);
  return decoder.push(ids) + decoder.end();
}

export interface TokenDecoder {
  /** Text that is certain now. */
  push(ids: readonly number[]): string;
  /** What was waiting: bytes of a character that never came to its end, as U+FFFD. */
  end(): string;
}

/** Ids → text as they come. A token may end in the middle of a character: its bytes wait for the rest. */
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
        atBeginning = false; // behind a special token that is shown the space stays, as in the library's
      }
      return clean(utf8.decode(concat(parts), { stream: true }));
    },
    end: () => clean(utf8.decode()) + (cleaner?.end() ?? ""),
  };
}

const SPACE = 0x20;

/** `bytes` of a tokenizer with a table of them, in which nothing stands at a gap. */
export const bytesFrom =
  (table: readonly (Uint8Array | undefined)[]) =>
  (id: number): Uint8Array => {
    if (!Number.isInteger(id) || id < 0 || id >= table.length)
      throw new RangeError(`there is no token ${id}; ids are 0 … ${table.length - 1}`);
    return table[id] ?? NOTHING;
  };

const NOTHING = new Uint8Array(0);

/** Ids at which a table of tokens has nothing; undefined: there are none. */
export function absentIn(table: readonly unknown[]): ReadonlySet<number> | undefined {
  const absent = new Set<number>();
  for (let id = 0; id < table.length; id++) if (table[id] === undefined) absent.add(id);
  return absent.size === 0 ? undefined : absent;
}
