/**
 * Finds where a text can be cut without changing its tokens: between two characters that stand side by side
 * in no token. No merge ever crosses such a position, so the parts give the same tokens as the complete text.
 * (Otherwise, in a vocabulary whose tokens cross words, a book would be one piece.)
 */
import type { NextPiece } from "./pieces.ts";

/**
 * `texts` is everything that merges make. `isSymbol` says whether a character is a token. A part begins with
 * such a character, so that characters in a row without a token are in the same part.
 */
export function safeCuts(texts: readonly string[], isSymbol: (character: string) => boolean): NextPiece {
  const neighbours = new NeighbourPairs(texts);
  const symbols = new Map<number, boolean>();
  const begins = (code: number): boolean => {
    const known = symbols.get(code);
    if (known !== undefined) return known;
    const found = isSymbol(String.fromCodePoint(code));
    symbols.set(code, found);
    return found;
  };
  return (text, from) => {
    let before = text.codePointAt(from)!;
    for (let at = from + (before > 0xffff ? 2 : 1); at < text.length;) {
      const code = text.codePointAt(at)!;
      if (!neighbours.has(before, code) && begins(code)) return at;
      before = code;
      at += code > 0xffff ? 2 : 1;
    }
    return text.length;
  };
}

const TABLE = 128;
const MARK = 0x2581;
/** The index in the small table for ASCII and for ▁, which stands for a space; −1 for other characters. */
function indexOfCode(code: number): number {
  if (code === MARK) return TABLE - 1;
  return code < TABLE - 1 ? code : -1;
}

/** The pairs of characters that stand side by side in some text. */
class NeighbourPairs {
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
    const a = indexOfCode(left);
    const b = indexOfCode(right);
    if (a >= 0 && b >= 0) this.#small[a * TABLE + b] = 1;
    else this.#others.add(left * 2 ** 21 + right);
  }

  has(left: number, right: number): boolean {
    const a = indexOfCode(left);
    const b = indexOfCode(right);
    return a >= 0 && b >= 0 ? this.#small[a * TABLE + b] === 1 : this.#others.has(left * 2 ** 21 + right);
  }
}
