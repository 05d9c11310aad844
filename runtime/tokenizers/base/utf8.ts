/**
 * Writes UTF-8 of a part of a text into a buffer that is reused. For pieces of a few characters, TextEncoder
 * costs more than the pieces do.
 */

/**
 * Writes the bytes of text[from … to) into `out`, which needs 3 bytes for each UTF-16 unit, and returns how
 * many there are. A lone surrogate becomes U+FFFD.
 */
export function utf8Into(text: string, from: number, to: number, out: Uint8Array): number {
  let n = 0;
  for (let i = from; i < to; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      out[n++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const low = i + 1 < to ? text.charCodeAt(i + 1) : 0;
      if (code < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        i++;
      } else code = 0xfffd;
    }
    if (code < 0x800) out[n++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) out[n++] = 0xe0 | (code >> 12);
      else {
        out[n++] = 0xf0 | (code >> 18);
        out[n++] = 0x80 | ((code >> 12) & 0x3f);
      }
      out[n++] = 0x80 | ((code >> 6) & 0x3f);
    }
    out[n++] = 0x80 | (code & 0x3f);
  }
  return n;
}
