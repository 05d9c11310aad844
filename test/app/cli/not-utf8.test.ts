/**
 * Files that are not UTF-8 text: the error says what they are, and advises on Latin-1 only where that is
 * plausible.
 */
import { gzipSync } from "node:zlib";
import { describe, expect, it, test } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { textOf } from "../../../runtime/base/text.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const swapped = (bytes: Buffer): Buffer => Buffer.from(bytes).swap16();
const behind = (first: string): Buffer => Buffer.concat([hex(first), hex("00 ff 80 c1 02 00 91")]);
const LINES = "abc def\r\n".repeat(50);

function refusal(bytes: Uint8Array): SinterError {
  try {
    textOf(bytes, "file");
  } catch (error) {
    if (error instanceof SinterError) return error;
  }
  throw new Error("it was read");
}

test.each([
  [
    "UTF-16, little-endian, with its mark",
    Buffer.from(`\ufeff${LINES}`, "utf16le"),
    /UTF-16 text/,
    /iconv -f utf-16 /,
  ],
  [
    "UTF-16, big-endian, with its mark",
    swapped(Buffer.from(`\ufeff${LINES}`, "utf16le")),
    /UTF-16 text/,
    /iconv -f utf-16 /,
  ],
  [
    "UTF-16, little-endian, without a mark",
    Buffer.from(LINES, "utf16le"),
    /UTF-16 text without its mark/,
    /iconv -f utf-16le /,
  ],
  [
    "UTF-16, big-endian, without a mark",
    swapped(Buffer.from(LINES, "utf16le")),
    /UTF-16 text without its mark/,
    /iconv -f utf-16be /,
  ],
  ["UTF-32", hex("fffe0000 61000000 62000000"), /UTF-32/, /iconv -f utf-32 /],
  ["gzip", gzipSync(LINES), /it is gzip/, /gzip -dc/],
  ["zstd", behind("28b52ffd"), /it is zstd/, /zstd -dc/],
  ["xz", behind("fd377a585a00"), /it is xz/, /xz -dc/],
  ["bzip2", behind("425a6839"), /it is bzip2/, /bzip2 -dc/],
  ["zip", behind("504b0304"), /zip archive/, /unzip/],
  ["7z", behind("377abcaf271c"), /7z archive/, /7z x/],
  ["PDF", Buffer.concat([Buffer.from("%PDF-1.4\n%"), hex("e2e3cfd3 0a")]), /it is a PDF/, /pdftotext/],
  ["PNG", behind("89504e470d0a1a0a"), /PNG picture/, /UTF-8 text/],
  ["JPEG", behind("ffd8ffe0"), /JPEG picture/, /UTF-8 text/],
  ["GGUF", behind("47475546 03000000"), /GGUF file/, /sinter import/],
  [
    "safetensors",
    Buffer.concat([hex("4000000000000000"), Buffer.from('{"a":'), hex("ff")]),
    /safetensors file/,
    /sinter import/,
  ],
  [
    "tar",
    Buffer.concat([Buffer.from("name"), Buffer.alloc(253), Buffer.from("ustar"), Buffer.alloc(300)]),
    /tar archive/,
    /tar -xf/,
  ],
  ["zeros", Buffer.alloc(1000), /full of zero bytes/, /UTF-8 text/],
  [
    "Latin-1",
    Buffer.from("Un café très cher, à Besançon.", "latin1"),
    /byte 6 does not belong there; it is perhaps in Latin-1/,
    /iconv -f latin1 /,
  ],
  [
    "Windows-1252",
    Buffer.concat([
      Buffer.from("He said ", "latin1"),
      hex("93"),
      Buffer.from("no"),
      hex("94"),
      Buffer.from(" and went."),
    ]),
    /perhaps in Windows-1252/,
    /iconv -f windows-1252 /,
  ],
  ["KOI8-R", hex("d0d2c9d7c5d420cdc9d220d0d2c9d7c5d420cdc9d2"), /older encoding/, /iconv -f GBK/],
  [
    "cut off",
    Buffer.from("grüße aus köln, schöne grüße €").subarray(0, -1),
    /cut off in the middle of its last character/,
    /head -c 35/,
  ],
  [
    "one byte damaged",
    Buffer.concat([Buffer.from("schöne grüße ".repeat(9)), hex("ff"), Buffer.from(" und mehr")]),
    /it is damaged/,
    /iconv -c -f utf-8/,
  ],
  [
    "bytes of all kinds",
    Buffer.from(Array.from({ length: 4096 }, (_, i) => 1 + ((i * 97) % 255))),
    /it is no text/,
    /UTF-8 text/,
  ],
] as const)("%s", (_, bytes, what, advice) => {
  const error = refusal(bytes);
  expect(error.kind).toBe("input");
  expect(error.message).toMatch(/^file is not UTF-8 text: /);
  expect(error.message).toMatch(what);
  expect(error.hint).toMatch(advice);
});

describe("what is read", () => {
  it("drops the mark before a text, unless the very bytes are asked for", () => {
    const marked = Buffer.from("\ufeffabc\ufeff");
    expect(textOf(marked, "file")).toBe("abc\ufeff");
    expect(textOf(marked, "file", { keepMark: true })).toBe("\ufeffabc\ufeff");
  });
  it("texts that begin like other files, and a zero byte among letters", () => {
    for (const text of [
      "BZh is a name",
      "ID3 tags",
      "PK",
      "",
      "a\0bcdefghijklmnopqrstuvwxyz",
      "%PDF-1.4 is how a PDF begins",
    ])
      expect(textOf(Buffer.from(text), "file")).toBe(text);
  });
});
