/**
 * The decoders of ggml's blocks against a reference of another form: one element at a time in f64, after the
 * structures of ggml-common.h, in the order in which the loops of ggml-quants.c go through them. And against
 * llama.cpp: a model with random blocks of each format gives the same greedy tokens in both programs.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { blockFormats } from "../../../runtime/formats/kit/ggml-blocks.ts";
import { f32ToF16 } from "../../../runtime/contract/number-formats.ts";
import { randomGguf } from "./random-gguf.ts";
import { llamaCppGreedy, llamaCppHere, withoutLlamaCpp } from "../../../app/studies/ask-llama-cpp.ts";
import { sinter } from "../../support/command-line.ts";

type Name = keyof typeof blockFormats;
const names = Object.keys(blockFormats) as Name[];

function f16(b: Uint8Array, at: number): number {
  const bits = b[at]! + 256 * b[at + 1]!;
  const exponent = Math.floor(bits / 1024) % 32;
  const mantissa = bits % 1024;
  return (
    (bits >= 32768 ? -1 : 1) *
    (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15))
  );
}
/** `count` bits of byte `at`, from bit `from`. */
const bits = (b: Uint8Array, at: number, from: number, count: number): number =>
  Math.floor(b[at]! / 2 ** from) % 2 ** count;
const nibble = (b: Uint8Array, at: number, e: number): number => bits(b, at + (e % 16), e < 16 ? 0 : 4, 4);
const fifth = (b: Uint8Array, at: number, e: number): number =>
  16 * bits(b, at + Math.floor(e / 8), e % 8, 1);
const iq4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/**
 * The six-bit scale and minimum j of Q4_K and Q5_K: "0-3: bits 0-5 of bytes 0-3 (minima: 4-7); 4-7: nibbles
 * of bytes 8-11, with bits 6-7 of bytes 0-7 above".
 */
function sixBits(b: Uint8Array, at: number, j: number): { scale: number; least: number } {
  if (j < 4) return { scale: bits(b, at + j, 0, 6), least: bits(b, at + 4 + j, 0, 6) };
  return {
    scale: bits(b, at + 4 + j, 0, 4) + 16 * bits(b, at + j - 4, 6, 2),
    least: bits(b, at + 4 + j, 4, 4) + 16 * bits(b, at + j, 6, 2),
  };
}

/** Element e of a block. */
const reference: Readonly<Record<Name, (b: Uint8Array, e: number) => number>> = {
  Q4_1: (b, e) => f16(b, 0) * nibble(b, 4, e) + f16(b, 2),
  Q5_0: (b, e) => f16(b, 0) * (nibble(b, 6, e) + fifth(b, 2, e) - 16),
  Q5_1: (b, e) => f16(b, 0) * (nibble(b, 8, e) + fifth(b, 4, e)) + f16(b, 2),
  IQ4_NL: (b, e) => f16(b, 0) * iq4[nibble(b, 2, e)]!,
  Q2_K(b, e) {
    const part = Math.floor(e / 128);
    const shift = Math.floor((e % 128) / 32);
    const q = bits(b, 16 + 32 * part + (e % 32), 2 * shift, 2);
    const s = Math.floor(e / 16);
    return f16(b, 80) * bits(b, s, 0, 4) * q - f16(b, 82) * bits(b, s, 4, 4);
  },
  Q3_K(b, e) {
    const part = Math.floor(e / 128);
    const shift = Math.floor((e % 128) / 32);
    const s = Math.floor(e / 16);
    const q = bits(b, 32 + 32 * part + (e % 32), 2 * shift, 2) + 4 * bits(b, e % 32, 4 * part + shift, 1);
    const scale =
      bits(b, 96 + (s % 8), s < 8 ? 0 : 4, 4) + 16 * bits(b, 104 + (s % 4), 2 * Math.floor(s / 4), 2);
    return f16(b, 108) * (scale - 32) * (q - 4);
  },
  Q4_K(b, e) {
    const j = Math.floor(e / 32);
    const { scale, least } = sixBits(b, 4, j);
    return (
      f16(b, 0) * scale * bits(b, 16 + 32 * Math.floor(j / 2) + (e % 32), 4 * (j % 2), 4) - f16(b, 2) * least
    );
  },
  Q5_K(b, e) {
    const j = Math.floor(e / 32);
    const { scale, least } = sixBits(b, 4, j);
    const q =
      bits(b, 48 + 32 * Math.floor(j / 2) + (e % 32), 4 * (j % 2), 4) + 16 * bits(b, 16 + (e % 32), j, 1);
    return f16(b, 0) * scale * q - f16(b, 2) * least;
  },
  Q6_K(b, e) {
    const part = Math.floor(e / 128);
    const quarter = Math.floor((e % 128) / 32);
    const l = e % 32;
    const s = Math.floor(e / 16);
    const scale = b[192 + s]! < 128 ? b[192 + s]! : b[192 + s]! - 256;
    const low = [
      bits(b, 64 * part + l, 0, 4),
      bits(b, 64 * part + 32 + l, 0, 4),
      bits(b, 64 * part + l, 4, 4),
      bits(b, 64 * part + 32 + l, 4, 4),
    ][quarter]!;
    return f16(b, 208) * scale * (low + 16 * bits(b, 128 + 32 * part + l, 2 * quarter, 2) - 32);
  },
  IQ4_XS(b, e) {
    const j = Math.floor(e / 32);
    const scale =
      bits(b, 4 + Math.floor(j / 2), 4 * (j % 2), 4) + 16 * bits(b, 2 + Math.floor(j / 4), 2 * (j % 4), 2);
    return f16(b, 0) * (scale - 32) * iq4[nibble(b, 8 + 16 * j, e % 32)]!;
  },
};

/** Where each format has F16 numbers, which the test makes finite. */
const halvesAt: Readonly<Record<Name, readonly number[]>> = {
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  IQ4_NL: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_XS: [0],
};

describe.each(names)("%s", (name) => {
  const { block, bytes, decode } = blockFormats[name];
  it("every element as the reference has it", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 3 * bytes, maxLength: 3 * bytes }),
        fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 6, maxLength: 6 }),
        (stored, scales) => {
          for (let i = 0; i < 3; i++)
            for (const [k, at] of halvesAt[name].entries()) {
              const half = f32ToF16(scales[2 * i + k]!);
              stored.set([half & 255, half >>> 8], i * bytes + at);
            }
          const out = new Float32Array(3 * block);
          decode(stored, out);
          for (let i = 0; i < 3; i++)
            for (let e = 0; e < block; e++) {
              const want = reference[name](stored.subarray(i * bytes, (i + 1) * bytes), e);
              const found = out[i * block + e]!;
              if (Math.abs(found - want) > 1e-6 * Math.max(1, Math.abs(want)))
                expect.fail(`block ${i}, element ${e}: ${found}, not ${want}`);
            }
        },
      ),
      { numRuns: 100 },
    );
  });
  it("every bit of a block is read", () => {
    // all numbers have the same sign, so that no change can hide behind a zero
    const stored = new Uint8Array(bytes).fill(0x55);
    const was = new Float32Array(block);
    const is = new Float32Array(block);
    for (const at of halvesAt[name]) stored.set([0x01, 0x3c], at);
    decode(stored, was);
    for (let bit = 0; bit < 8 * bytes; bit++) {
      stored[bit >> 3]! ^= 1 << (bit & 7);
      decode(stored, is);
      stored[bit >> 3]! ^= 1 << (bit & 7);
      expect(
        is.some((x, i) => !Object.is(x, was[i])),
        `bit ${bit & 7} of byte ${bit >> 3}`,
      ).toBe(true);
    }
  });
});

describe("llama.cpp", () => {
  const scratch = mkdtempSync(join(tmpdir(), "sinter-blocks-"));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));
  it.skipIf(!llamaCppHere).each([1, 2])(
    `a model of random blocks of all formats: the same greedy tokens, %i ${withoutLlamaCpp}`,
    async (seed) => {
      const path = join(scratch, `${seed}.gguf`);
      const folder = join(scratch, `${seed}`);
      let next = seed;
      writeFileSync(
        path,
        randomGguf(() => names[next++ % names.length]!, seed),
      );
      await sinter("import", path, "-o", folder);
      const prompt = [1, 17, 200, 33];
      const theirs = llamaCppGreedy(path, prompt, 4, `${path}.logits`);
      const ours = JSON.parse(
        await sinter(
          "sample",
          folder,
          "-p",
          prompt.join(" "),
          "--temp",
          "0",
          "-n",
          "4",
          "--json",
          "--weights",
          "f32",
        ),
      ) as { tokens: number[] };
      expect(ours.tokens).toEqual(theirs.ids);
    },
  );
});
