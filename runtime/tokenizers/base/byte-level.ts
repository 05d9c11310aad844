/**
 * GPT-2's names for bytes. Its vocabulary files write every byte as one printable character: printable
 * Latin-1 stands for itself, and the other 68 bytes are U+0100 … U+0143 in the order of the bytes (Radford et
 * al. 2019, encoder.py's bytes_to_unicode).
 */
const printable = (byte: number): boolean =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;

/** The character of each byte. */
export const byteCharacters: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const byteOf: ReadonlyMap<string, number> = new Map(
  byteCharacters.map((character, byte) => [character, byte]),
);

/** The bytes of a token, from its name in the file; undefined where the name is not in this alphabet. */
export function bytesOfName(name: string): Uint8Array | undefined {
  const out = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) {
    const byte = byteOf.get(name[i]!);
    if (byte === undefined) return undefined;
    out[i] = byte;
  }
  return out;
}
