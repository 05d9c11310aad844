/**
 * Where a text may be cut whatever a vocabulary's pre-tokenizer does: between two characters that stand
 * beside each other in no token. No merge ever reaches across such a place, so that the parts become the same
 * tokens as the whole. (A vocabulary whose tokens cross words would else make one piece of a book.)
 */
import type { NextPiece } from "./pieces.ts";

/**
 * `texts`: all that merges make. `isSymbol`: a character that is a token: a part begins with one, so that
 * what becomes of several characters without a token in a row is decided in one part.
 */
export function unjoined(texts: readonly string[], isSymbol: (character: string) => boolean): NextPiece {
  const beside = new Beside(texts);
  const symbols = new Map<number, boolean>();
  const begins = (code: number): boolean => {
    let known = symbols.get(code);
    if (known === undefined) symbols.set(code, (known = isSymbol(String.fromCodePoint(code))));
    return known;
  };
  return (text, from) => {
    let before = text.codePointAt(from)!;
    for (let at = from + (before > 0xffff ? 2 : 1); at < text.length;) {
      const code = text.codePointAt(at)!;
      if (!beside.has(before, code) && begins(code)) return at;
      before = code;
      at += code > 0xffff ? 2 : 1;
    }
    return text.length;
  };
}

const TABLE = 128;
const MARK = 0x2581;
/** Place in the small table: of ASCII, and of ▁, which stands for a space; −1: none. */
const placeOf = (code: number): number => (code < TABLE - 1 ? code : code === MARK ? TABLE - 1 : -1);

/** Pairs of characters that stand side by side in some text. */
class Beside {
  readonly #small = new Uint8Array(TABLE * TABLE);
  readonly #others = new Set<number>();

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      let before = -1;
      for (const character of text) {
        const code = character.codePointAt(0)!;
        if (before >= 0) this.#add(before, code);
        before = code;
      }
    }
  }

  #add(left: number, right: number): void {
    const a = placeOf(left);
    const b = placeOf(right);
    if (a >= 0 && b >= 0) this.#small[a * TABLE + b] = 1;
    else this.#others.add(left * 2 ** 21 + right);
  }

  has(left: number, right: number): boolean {
    const a = placeOf(left);
    const b = placeOf(right);
    return a >= 0 && b >= 0 ? this.#small[a * TABLE + b] === 1 : this.#others.has(left * 2 ** 21 + right);
  }
}
