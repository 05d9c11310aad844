/**
 * Says what a file is that is not UTF-8 text. It is recognised by its first bytes (as the formats' documents
 * give them), by zero bytes, or by the statistics of its bytes above 127. Each kind has advice of its own,
 * since advice for another kind of file would turn it into garbage, and a model would learn that.
 */

export interface TextKind {
  /** For example "gzip", as in "it is gzip". */
  readonly what: string;
  readonly advice: string;
}

interface Signature extends TextKind {
  /** The bytes of the signature, in hexadecimal. */
  readonly bytes: string;
  /** Where the signature stands; by default at the beginning. */
  readonly at?: number;
}

const NEW = "FILE > NEW";
const convert = (encoding: string): string => `Convert it: iconv -f ${encoding} -t utf-8 ${NEW}`;
const PICTURE = "Models here learn from text: name a file of UTF-8 text.";
const WEIGHTS = "It holds weights: `sinter inspect FILE` shows them, `sinter import` reads them.";
const UNZIP = "Unpack it: unzip FILE. A document: save it as plain text in UTF-8.";
const COLUMN = "Write its column of texts to a file of UTF-8 text, for example with pandas.";
const SELECT = "Write its texts to a file of UTF-8 text: sqlite3 FILE 'select …' > NEW";
const EXTRACT = "Save what it says as plain text in UTF-8.";

/**
 * The table of signatures. The first that fits counts, so a signature stands before those that are its
 * beginning.
 */
const signatures: readonly Signature[] = [
  { what: "UTF-32 text", bytes: "fffe0000", advice: convert("utf-32") },
  { what: "UTF-32 text", bytes: "0000feff", advice: convert("utf-32") },
  { what: "UTF-16 text", bytes: "fffe", advice: convert("utf-16") },
  { what: "UTF-16 text", bytes: "feff", advice: convert("utf-16") },
  { what: "gzip", bytes: "1f8b", advice: `Unpack it: gzip -dc ${NEW}` },
  { what: "zstd", bytes: "28b52ffd", advice: `Unpack it: zstd -dc ${NEW}` },
  { what: "xz", bytes: "fd377a585a00", advice: `Unpack it: xz -dc ${NEW}` },
  { what: "bzip2", bytes: "425a68", advice: `Unpack it: bzip2 -dc ${NEW}` },
  { what: "lz4", bytes: "04224d18", advice: `Unpack it: lz4 -dc ${NEW}` },
  { what: "a zip archive (as .docx, .xlsx, .epub, PyTorch's files are)", bytes: "504b0304", advice: UNZIP },
  { what: "an empty zip archive", bytes: "504b0506", advice: PICTURE },
  { what: "a 7z archive", bytes: "377abcaf271c", advice: "Unpack it: 7z x FILE" },
  { what: "a RAR archive", bytes: "526172211a07", advice: "Unpack it: unrar x FILE" },
  { what: "a tar archive", bytes: "7573746172", at: 257, advice: "Unpack it: tar -xf FILE" },
  { what: "a PDF", bytes: "255044462d", advice: "Take its text out: pdftotext FILE NEW" },
  { what: "an older Office document", bytes: "d0cf11e0a1b11ae1", advice: EXTRACT },
  { what: "a PNG picture", bytes: "89504e470d0a1a0a", advice: PICTURE },
  { what: "a JPEG picture", bytes: "ffd8ff", advice: PICTURE },
  { what: "a GIF picture", bytes: "47494638", advice: PICTURE },
  { what: "a WebP picture", bytes: "57454250", at: 8, advice: PICTURE },
  { what: "a WAV recording", bytes: "57415645", at: 8, advice: PICTURE },
  { what: "an MP3 recording", bytes: "494433", advice: PICTURE },
  { what: "an MP4 film", bytes: "66747970", at: 4, advice: PICTURE },
  { what: "a GGUF file", bytes: "47475546", advice: WEIGHTS },
  { what: "a Parquet file", bytes: "50415231", advice: COLUMN },
  { what: "an Arrow file", bytes: "4152524f5731", advice: COLUMN },
  { what: "an SQLite database", bytes: "53514c69746520666f726d6174203300", advice: SELECT },
  { what: "a NumPy array", bytes: "934e554d5059", advice: PICTURE },
  { what: "an HDF5 file", bytes: "894844460d0a1a0a", advice: PICTURE },
  { what: "a WebAssembly module", bytes: "0061736d", advice: PICTURE },
  { what: "a program (ELF)", bytes: "7f454c46", advice: PICTURE },
];

/** How many bytes are searched for zeros and for signs of older encodings. */
const SAMPLE = 1 << 16;

/**
 * The kind of a file, by its first bytes, or by the zero bytes of UTF-16 and of binary files; undefined where
 * nothing says that it is no text.
 */
export function kindOfBytes(bytes: Uint8Array): TextKind | undefined {
  const found = signatures.find((signature) => fits(signature, bytes));
  return (found && seen(found)) ?? safetensors(bytes) ?? byZeros(bytes.subarray(0, SAMPLE));
}

/** The kind, with the bytes that say so: "gzip (1F 8B at its beginning)". */
function seen({ what, advice, bytes, at = 0 }: Signature): TextKind {
  const shown = bytes.toUpperCase().match(/../g)!.join(" ");
  return { what: `${what} (${shown} at ${at === 0 ? "its beginning" : `byte ${at}`})`, advice };
}

function fits({ bytes: hex, at = 0 }: Signature, bytes: Uint8Array): boolean {
  for (let i = 0; i < hex.length; i++) {
    const byte = bytes[at + (i >> 1)];
    if (byte === undefined) return false;
    if (Number.parseInt(hex[i]!, 16) !== (i % 2 === 0 ? byte >> 4 : byte & 15)) return false;
  }
  return true;
}

/** A safetensors file begins with the length of its header, below 2^32, and then "{". */
function safetensors(bytes: Uint8Array): TextKind | undefined {
  const isOne = bytes[8] === 0x7b && bytes.subarray(4, 8).every((byte) => byte === 0);
  return isOne ? { what: "a safetensors file", advice: WEIGHTS } : undefined;
}

/** In UTF-16, Latin letters have a zero in every second byte. */
function byZeros(sample: Uint8Array): TextKind | undefined {
  const zeros = [0, 0];
  for (let i = 0; i < sample.length; i++) if (sample[i] === 0) zeros[i & 1]!++;
  const pairs = sample.length >> 1;
  const [even, odd] = zeros as [number, number];
  const utf16 = (encoding: string): TextKind => ({
    what: "UTF-16 text without its mark",
    advice: convert(encoding),
  });
  if (pairs >= 2 && odd > 0.4 * pairs && even < 0.05 * pairs) return utf16("utf-16le");
  if (pairs >= 2 && even > 0.4 * pairs && odd < 0.05 * pairs) return utf16("utf-16be");
  if (even + odd <= 0.1 * sample.length) return undefined;
  return { what: "no text: it is full of zero bytes", advice: PICTURE };
}

/**
 * The most plausible encoding from before Unicode, for bytes that no signature identifies. `bad` is where the
 * first byte stands that is not UTF-8; the bytes around it decide.
 */
export function olderEncoding(bytes: Uint8Array, bad: number): TextKind {
  const count = countBytes(bytes.subarray(0, SAMPLE), bytes.subarray(bad, bad + SAMPLE));
  if (bytes.length - bad < 4 && count.characters > 0 && isBeginning(bytes.subarray(bad)))
    return {
      what: "cut off in the middle of its last character",
      advice: `Fetch it again, or leave that character out: head -c ${bad} ${NEW}`,
    };
  if (count.controls > 0.02 * count.all)
    return { what: "no text: it has bytes that no text has", advice: PICTURE };
  if (count.characters > 8 * count.stray)
    return {
      what: "damaged",
      advice: `Fetch it again, or leave out what is wrong: iconv -c -f utf-8 -t utf-8 ${NEW}`,
    };
  if (count.high > 0.3 * count.all && count.high > 3)
    return {
      what: "perhaps in an older encoding of its language (GBK, Shift-JIS, EUC-KR, KOI8-R, windows-1251 …)",
      advice: `Find out which, then: iconv -f GBK -t utf-8 ${NEW}`,
    };
  if (count.c1 > 0) return { what: "perhaps in Windows-1252", advice: convert("windows-1252") };
  return { what: "perhaps in Latin-1", advice: convert("latin1") };
}

interface Counted {
  all: number;
  /** Bytes above 127. */
  high: number;
  /** Bytes from 128 to 159, which are letters in Windows-1252 and control characters in Latin-1. */
  c1: number;
  controls: number;
  /** Correct UTF-8 characters of several bytes, and bytes above 127 that belong to none. */
  characters: number;
  stray: number;
}

function countBytes(...samples: readonly Uint8Array[]): Counted {
  const count: Counted = { all: 0, high: 0, c1: 0, controls: 0, characters: 0, stray: 0 };
  for (const sample of samples) {
    count.all += sample.length;
    for (let i = 0; i < sample.length; i++) {
      const byte = sample[i]!;
      if (byte < 32 && !(byte >= 9 && byte <= 13) && byte !== 27) count.controls++;
      if (byte < 128) continue;
      count.high++;
      if (byte < 160) count.c1++;
      const length = lengthOf(byte);
      const rest = sample.subarray(i + 1, i + length);
      const whole = length > 1 && rest.length === length - 1 && rest.every(continues);
      count[whole ? "characters" : "stray"]++;
      if (!whole) continue;
      count.high += length - 1;
      i += length - 1;
    }
  }
  return count;
}

const continues = (byte: number): boolean => byte >= 0x80 && byte < 0xc0;
/** How many bytes the character has that begins with this byte; 0 where none does. */
function lengthOf(byte: number): number {
  if (byte < 0xc2 || byte > 0xf4) return 0;
  if (byte < 0xe0) return 2;
  return byte < 0xf0 ? 3 : 4;
}
const isBeginning = (bytes: Uint8Array): boolean =>
  lengthOf(bytes[0]!) > bytes.length && bytes.subarray(1).every(continues);
