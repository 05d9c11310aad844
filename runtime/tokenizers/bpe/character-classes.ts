/**
 * The classes of characters that pre-tokenizers distinguish: letter, number, white space, line break, and
 * others. They are Unicode's classes; a table answers for the first plane. White space is \p{White_Space};
 * JavaScript's \s includes U+FEFF and lacks U+0085.
 */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;
export const BREAK = 4;

const letter = /^\p{L}$/u;
const number = /^\p{N}$/u;
const space = /^\p{White_Space}$/u;

function classify(character: string): number {
  if (character === "\r" || character === "\n") return BREAK;
  if (letter.test(character)) return LETTER;
  if (number.test(character)) return NUMBER;
  return space.test(character) ? SPACE : OTHER;
}

const table = new Uint8Array(65536); // class + 1, or 0 before it is asked for
const HIGH = 0xd800;
const LOW = 0xdc00;
const END = 0xe000;

/** The class of the character at `at`, which is inside the text. */
export function classAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  const known = table[code]!;
  if (known !== 0) return known - 1;
  if (code >= HIGH && code < LOW) return isPair(text, at) ? classify(text.slice(at, at + 2)) : OTHER;
  const found = classify(String.fromCharCode(code));
  table[code] = found + 1;
  return found;
}

/** The number of UTF-16 units of the character at `at`: 2 for a pair of surrogates. */
export const unitsAt = (text: string, at: number): number => (isPair(text, at) ? 2 : 1);

function isPair(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code < HIGH || code >= LOW) return false;
  const next = text.charCodeAt(at + 1); // NaN behind the end
  return next >= LOW && next < END;
}
