/** Lines end at \n and \r\n only, whatever pieces the bytes come in. */
import { describe, expect, it } from "vitest";
import { linesOf, lineStream, type ReadLine } from "../../../runtime/base/lines.ts";

const LIMITS = { most: 100, endless: 1000 };

async function linesIn(pieces: readonly Uint8Array[], limits = LIMITS): Promise<ReadLine[]> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* pieces;
  }
  const lines: ReadLine[] = [];
  for await (const line of lineStream(chunks(), limits)) lines.push(line);
  return lines;
}
const cut = (bytes: Uint8Array, at: number): readonly Uint8Array[] => [
  bytes.subarray(0, at),
  bytes.subarray(at),
];

describe("lines as they come", () => {
  const text = "\ufeffone\u2028two\u2029\u0085\vthree\rfour\r\n\n\ufeffgrüße 🙂€\r\n日本";
  const bytes = new TextEncoder().encode(text);
  const right = [
    { number: 1, text: "one\u2028two\u2029\u0085\vthree\rfour" },
    { number: 2, text: "" },
    { number: 3, text: "\ufeffgrüße 🙂€" },
    { number: 4, text: "日本" },
  ];
  it("are the same wherever characters of several bytes and \\r\\n are cut", async () => {
    for (let at = 0; at <= bytes.length; at++) expect(await linesIn(cut(bytes, at))).toEqual(right);
    expect(await linesIn(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(right);
  });
  it("do not keep memory that a stream uses again", async () => {
    async function* reused(): AsyncGenerator<Uint8Array> {
      const memory = new Uint8Array(3);
      for (const word of ["abc", "de\n", "fgh"]) {
        memory.set(new TextEncoder().encode(word));
        yield memory;
      }
    }
    const lines: ReadLine[] = [];
    for await (const line of lineStream(reused(), LIMITS)) lines.push(line);
    expect(lines).toEqual([
      { number: 1, text: "abcde" },
      { number: 2, text: "fgh" },
    ]);
  });
  it("one that is too long, or no UTF-8, costs itself alone", async () => {
    const lines = await linesIn([
      new TextEncoder().encode(`a\n${"x".repeat(150)}\nb\n`),
      Uint8Array.of(0xe9, 0x61, 0x62, 0x63, 10),
      new TextEncoder().encode("c"),
    ]);
    expect(lines.map((line) => ("wrong" in line ? `${line.number} ${line.wrong.kind}` : line.text))).toEqual([
      "a",
      "2 input",
      "b",
      "4 input",
      "c",
    ]);
    expect(lines[1]).toMatchObject({
      wrong: { message: "it has 150 bytes; at most 100 are taken as one message" },
    });
    expect(lines[3]).toMatchObject({
      wrong: { message: expect.stringContaining("it is not UTF-8 text") as string },
    });
  });
  it("one without an end is given up, and is not kept until then", async () => {
    async function* zeros(): AsyncGenerator<Uint8Array> {
      for (;;) yield new Uint8Array(64);
    }
    await expect(
      (async () => {
        for await (const _ of lineStream(zeros(), LIMITS)) break;
      })(),
    ).rejects.toThrow(/line 1 has no end: 1000 bytes came/);
  });
});

it("lines of a text have their numbers, empty ones counted", () => {
  expect(linesOf("a\u2028b\r\n\n\nc\rd")).toEqual([
    { text: "a\u2028b", number: 1 },
    { text: "", number: 2 },
    { text: "", number: 3 },
    { text: "c\rd", number: 4 },
  ]);
});
