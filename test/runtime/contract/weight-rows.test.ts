/**
 * The order of bytes in a row of quantised weights, written out by hand. Bundles, kernels and the runtime's
 * writer rely on it; test/compiler/ops shows that kernels read it in this order.
 */
import { describe, expect, test } from "vitest";
import { numberFormats } from "../../../runtime/contract/number-formats.ts";
import {
  bf16Byte,
  decodeWeights,
  groupPlace,
  halfBlocks,
  halvesOf,
  groupLane,
  superblockBytes,
  weightWords,
} from "../../../runtime/contract/weight-rows.ts";
import { fileFormats, rowWriter, wordsOf } from "../../../runtime/engine/quantise.ts";

const integers = ["q8_0", "q4_0"] as const;
const lengths = [1, 31, 32, 33, 128, 129, 256, 300, 384, 1024, 1100, 2048];

test("words of a row: half blocks of 128 weights, and a cache line of scales for every 1024", () => {
  expect([1, 128, 129, 1024, 1025].map((K) => 4 * weightWords("q8_0", K))).toEqual([
    64 + 128,
    64 + 128,
    64 + 256,
    64 + 1024,
    64 + 1024 + 64 + 128,
  ]);
  expect([1, 129, 1024].map((K) => 4 * weightWords("q4_0", K))).toEqual([64 + 64, 64 + 128, 64 + 512]);
  expect([1, 32, 33].map((K) => 4 * weightWords("bf16", K))).toEqual([64, 64, 128]);
  expect(integers.map(superblockBytes)).toEqual([1088, 576]);
  for (const format of integers)
    for (const K of lengths) expect(halvesOf(format, weightWords(format, K))).toBe(halfBlocks(K));
});

test("eight groups lie side by side; half a block at the end stands alone", () => {
  expect([0, 5, 7, 8, 11].map((group) => groupLane(group, 3))).toEqual([
    { lane: 0, lanes: 8, half: 0 },
    { lane: 5, lanes: 8, half: 0 },
    { lane: 7, lanes: 8, half: 0 },
    { lane: 0, lanes: 4, half: 2 },
    { lane: 3, lanes: 4, half: 2 },
  ]);
  expect(groupLane(8, 4)).toEqual({ lane: 0, lanes: 8, half: 2 });
});

test("scale, first piece and step of a group", () => {
  expect(groupPlace("q8_0", 3, 3)).toEqual({ scale: 6, first: 64 + 3 * 4, step: 32 });
  expect(groupPlace("q8_0", 9, 3)).toEqual({ scale: 18, first: 64 + 256 + 1 * 4, step: 16 });
  expect(groupPlace("q8_0", 33, 16)).toEqual({ scale: 1088 + 2, first: 1088 + 64 + 4, step: 32 });
  expect(groupPlace("q4_0", 3, 3)).toEqual({ scale: 6, first: 64 + 3 * 4, step: 32 });
  expect(groupPlace("q4_0", 9, 3)).toEqual({ scale: 18, first: 64 + 128 + 1 * 4, step: 16 });
  expect([0, 1, 15, 16, 17, 31, 32].map(bf16Byte)).toEqual([0, 4, 60, 2, 6, 62, 64]);
});

describe.each(["bf16", ...integers] as const)("a row of %s", (format) => {
  test.each(lengths)("of %i weights: each byte has one group's numbers, and none two", (K) => {
    const words = new Int32Array(weightWords(format, K));
    const { block, bytes, decode, encode } = numberFormats[fileFormats[format]];
    const padded = 32 * Math.ceil(K / 32);
    const values = Float32Array.from({ length: padded }, (_, i) => (i < K ? Math.sin(1 + i * i) : 0));
    const encoded = new Uint8Array((padded / block) * bytes);
    encode(values, encoded);
    rowWriter(format, K)(values.subarray(0, K), wordsOf(words));
    const sum = (of: Uint8Array): number => of.reduce((a, b) => a + b, 0);
    expect(sum(new Uint8Array(words.buffer)), "the same bytes as in a file, and zeros").toBe(sum(encoded));
    const wanted = new Float32Array(padded);
    decode(encoded, wanted);
    const row = new DataView(words.buffer);
    expect([...decodeWeights(format, row, 0, new Float32Array(K))]).toEqual([...wanted.subarray(0, K)]);
    expect([...decodeWeights(format, row, 0, new Float64Array(K))]).toEqual([...wanted.subarray(0, K)]);
  });
});

test("known bytes: a row of 33 weights in q8_0", () => {
  const words = new Int32Array(weightWords("q8_0", 33));
  rowWriter("q8_0", 33)(
    Float32Array.from({ length: 33 }, (_, i) => (i === 32 ? -127 : 127 - i)),
    wordsOf(words),
  );
  const bytes = new Int8Array(words.buffer);
  const ONE = 0x3c; // the upper byte of 1 in f16
  expect([...bytes.subarray(0, 6)]).toEqual([0, ONE, 0, ONE, 0, 0]);
  const pieces = [127, 126, 125, 124, -127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 123, 122];
  expect([...bytes.subarray(64, 64 + pieces.length)]).toEqual(pieces);
});
