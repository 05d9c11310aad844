/**
 * What pre-tokenizers ask of a character: letter, number, white space, line break, or none of these. Classes
 * are Unicode's; a table answers for the first plane. White space is \p{White_Space}: JavaScript's \s has
 * U+FEFF too, and lacks U+0085.
 */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;
export const BREAK = 4;

const letter = /^\p{L}$/u;
const number = /^\p{N}$/u;
const space = /^\p{White_Space}$/u;

const classify = (character: string): number =>
  character === "\r" || character === "\n"
    ? BREAK
    : letter.test(character)
      ? LETTER
      : number.test(character)
        ? NUMBER
        : space.test(character)
          ? SPACE
          : OTHER;

const table = new Uint8Array(65536); // class + 1, once asked for; 0 before
const HIGH = 0xd800;
const LOW = 0xdc00;
const END = 0xe000;

/** Class of the character at `at`, which is inside the text. */
export function classAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  const known = table[code]!;
  if (known !== 0) return known - 1;
  if (code >= HIGH && code < LOW) return isPair(text, at) ? classify(text.slice(at, at + 2)) : OTHER;
  const found = classify(String.fromCharCode(code));
  table[code] = found + 1;
  return found;
}

/** UTF-16 units of the character at `at`: 2 for a pair of surrogates. */
export const unitsAt = (text: string, at: number): number => (isPair(text, at) ? 2 : 1);

function isPair(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code < HIGH || code >= LOW) return false;
  const next = text.charCodeAt(at + 1); // NaN behind the end
  return next >= LOW && next < END;
}
