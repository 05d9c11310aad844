/**
 * GGUF files: what is written is read back; bad files of every kind are refused with a reason and an offset;
 * mutations never crash the reader.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { openGguf, type GgufFile } from "../../../runtime/formats/gguf/gguf.ts";
import {
  bool,
  f32,
  ggufHeader,
  list,
  paddingAfter,
  tensorBytes,
  text as textPair,
  u32 as u32Pair,
  type GgufTensorToWrite,
} from "../../../runtime/formats/gguf/gguf-write.ts";
import { numberFormats, type FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { allFloats } from "../../../runtime/formats/kit/weights.ts";
import { gguf, join, le, pair, raw, tensor, text, u32, u64, u8 } from "./gguf-bytes.ts";
import { memoryFiles } from "../../support/memory-files.ts";

const open = (bytes: Uint8Array): Promise<GgufFile> =>
  openGguf(memoryFiles({ "bad.gguf": bytes }), "bad.gguf");
const good = [tensor()];
const ALIGN = "general.alignment";
const long = new Uint8Array(60_000);

/**
 * Bad files by name, with what the message has to say. The kinds are those of llama.cpp's
 * tests/test-gguf.cpp, and shapes of its published overflows.
 */
const bad: Record<string, readonly [Uint8Array, RegExp]> = {
  "empty file": [new Uint8Array(), /ends in the magic number/],
  "three bytes": [raw("GGU"), /ends in the magic number/],
  "bad magic": [gguf({ magic: "GGML" }), /does not begin with GGUF/],
  "magic in lower case": [gguf({ magic: "gguf" }), /does not begin with GGUF/],
  "version 0": [gguf({ version: 0 }), /big-endian|version 0/],
  "version 1": [gguf({ version: 1 }), /version 1;/],
  "version of the future": [gguf({ version: 4 }), /version 4;/],
  "big-endian version 3": [gguf({ version: 0x03000000 }), /big-endian/],
  "ends after the version": [gguf({}).slice(0, 8), /ends in the number of tensors/],
  "ends in the number of pairs": [gguf({}).slice(0, 20), /ends in the number of metadata pairs/],
  "number of tensors -1": [gguf({ tensorCount: -1n }), /number of tensors is 18446744073709551615/],
  "number of tensors 2^63": [gguf({ tensorCount: 2n ** 63n }), /number of tensors/],
  "number of tensors beyond the file": [
    gguf({ tensors: good, tensorCount: 1000, data: 32 }),
    /number of tensors is 1000/,
  ],
  "one tensor too many": [gguf({ tensors: good, tensorCount: 2 }), /ends in|at most/],
  "number of pairs -1": [gguf({ pairCount: -1n }), /number of metadata pairs is 18446744073709551615/],
  "number of pairs 2^32": [
    join(gguf({ pairCount: 2n ** 32n }), long),
    /number of metadata pairs is 4294967296/,
  ],
  "number of pairs above the limit": [join(gguf({ pairCount: 4097 }), long), /at most 4096/],
  "one pair too many": [gguf({ pairs: [pair("a", 4, u32(1))], pairCount: 2 }), /ends in|at most/],
  "key longer than the file": [
    gguf({ pairs: [join(text("a", 1000), u32(4), u32(1))] }),
    /length of key 0 is 1000/,
  ],
  "key of 2^64 - 1 bytes": [gguf({ pairs: [join(text("a", -1n), u32(4), u32(1))] }), /length of key 0/],
  "key of 65536 bytes": [
    gguf({ pairs: [join(text("a".repeat(65_536)), u32(4), u32(1))] }),
    /length of key 0 is 65536/,
  ],
  "empty key": [gguf({ pairs: [pair("", 4, u32(1))] }), /key 0 is empty/],
  "key that is not UTF-8": [
    gguf({ pairs: [join(u64(2), Uint8Array.of(0xff, 0xfe), u32(4), u32(1))] }),
    /key 0 is not UTF-8/,
  ],
  "duplicate key": [gguf({ pairs: [pair("a", 4, u32(1)), pair("a", 4, u32(1))] }), /"a" stands there twice/],
  "value of unknown type": [gguf({ pairs: [pair("a", 13, u64(0))] }), /"a" has the unknown type 13/],
  "value of type 2^32 - 1": [gguf({ pairs: [pair("a", 0xffffffff, u64(0))] }), /unknown type 4294967295/],
  "value cut off": [gguf({ pairs: [pair("a", 10, u32(0))] }), /ends in the value of "a"/],
  "bool of value 2": [gguf({ pairs: [pair("a", 7, u8(2))] }), /a bool of value 2/],
  "string longer than the file": [
    gguf({ pairs: [pair("a", 8, u64(1000))] }),
    /length of the value of "a" is 1000/,
  ],
  "string of 2^64 - 1 bytes": [
    gguf({ pairs: [pair("a", 8, u64(-1n), u64(0))] }),
    /length of the value of "a"/,
  ],
  "string of 2^63 bytes": [
    gguf({ pairs: [pair("a", 8, u64(2n ** 63n), u64(0))] }),
    /length of the value of "a"/,
  ],
  "string that is not UTF-8": [gguf({ pairs: [pair("a", 8, u64(1), u8(0x80))] }), /not UTF-8/],
  "array of unknown type": [gguf({ pairs: [pair("a", 9, u32(99), u64(0))] }), /unknown type 99/],
  "array of arrays": [gguf({ pairs: [pair("a", 9, u32(9), u64(1), u32(0), u64(0))] }), /array of arrays/],
  "array longer than the file": [
    gguf({ pairs: [pair("a", 9, u32(0), u64(1000))] }),
    /length of the value of "a" is 1000/,
  ],
  "array whose bytes overflow": [
    gguf({ pairs: [pair("a", 9, u32(10), u64(2n ** 61n))] }),
    /length of the value of "a"/,
  ],
  "array of strings, one longer than the file": [
    gguf({ pairs: [pair("a", 9, u32(8), u64(1), u64(1000))] }),
    /length of item 0 .* is 1000/,
  ],
  "array of strings, more than fit": [
    gguf({ pairs: [pair("a", 9, u32(8), u64(2n ** 60n), text("b"))] }),
    /length of the value of "a"/,
  ],
  "alignment 0": [gguf({ pairs: [pair(ALIGN, 4, u32(0))] }), /power of two/],
  "alignment 3": [gguf({ pairs: [pair(ALIGN, 4, u32(3))] }), /power of two/],
  "alignment 48": [gguf({ pairs: [pair(ALIGN, 4, u32(48))] }), /power of two/],
  "alignment 2^21": [gguf({ pairs: [pair(ALIGN, 4, u32(1 << 21))] }), /power of two up to 1048576/],
  "alignment 2^31": [gguf({ pairs: [pair(ALIGN, 4, u32(2 ** 31))] }), /power of two/],
  "alignment of another type": [gguf({ pairs: [pair(ALIGN, 10, u64(32))] }), /is u64; it has to be u32/],
  "alignment is an array": [gguf({ pairs: [pair(ALIGN, 9, u32(4), u64(1), u32(32))] }), /is array/],
  "tensor name longer than the file": [
    gguf({ tensors: [tensor({ name: text("a", 1000) })], data: 32 }),
    /length of the name of tensor 0 is 1000/,
  ],
  "tensor name of 2^64 - 1 bytes": [
    gguf({ tensors: [tensor({ name: text("a", -1n) })], data: 32 }),
    /length of the name of tensor 0/,
  ],
  "tensor name of 300 bytes": [
    gguf({ tensors: [tensor({ name: text("a".repeat(300)) })], data: 32 }),
    /length of the name of tensor 0 is 300/,
  ],
  "tensor name twice": [
    gguf({ tensors: [tensor(), tensor({ offset: 32 })], data: 64 }),
    /tensor "a" stands there twice/,
  ],
  "0 dimensions": [gguf({ tensors: [tensor({ dims: [] })], data: 32 }), /has 0 dimensions/],
  "5 dimensions": [gguf({ tensors: [tensor({ dims: [8, 1, 1, 1, 1] })], data: 32 }), /has 5 dimensions/],
  "2^32 - 1 dimensions": [
    gguf({ tensors: [tensor({ dimensions: 0xffffffff })], data: 32 }),
    /has 4294967295 dimensions/,
  ],
  "dimension -1": [gguf({ tensors: [tensor({ dims: [-1n] })], data: 32 }), /dimension 0 of tensor "a"/],
  "dimension 2^63": [
    gguf({ tensors: [tensor({ dims: [2n ** 63n] })], data: 32 }),
    /dimension 0 of tensor "a"/,
  ],
  "dimension 0": [gguf({ tensors: [tensor({ dims: [0] })], data: 32 }), /a dimension is 0/],
  "dimension 0 beside 2^52": [
    gguf({ tensors: [tensor({ dims: [2n ** 52n, 2n ** 52n, 0] })], data: 32 }),
    /a dimension is 0/,
  ],
  "elements overflow 2^53": [
    gguf({ tensors: [tensor({ dims: [2n ** 30n, 2n ** 30n] })], data: 32 }),
    /more .* than can be counted/,
  ],
  "elements overflow 2^64 to a small number": [
    gguf({ tensors: [tensor({ dims: [2n ** 32n, 2n ** 32n, 1] })], data: 32 }),
    /more .* than can be counted/,
  ],
  "elements overflow in the fourth dimension": [
    gguf({ tensors: [tensor({ dims: [2n ** 20n, 2n ** 20n, 2n ** 20n, 2n ** 20n] })], data: 32 }),
    /more .* than can be counted/,
  ],
  "bytes overflow, elements do not": [
    gguf({ tensors: [tensor({ dims: [2n ** 52n] })], data: 32 }),
    /more .* than can be counted/,
  ],
  "padded bytes overflow": [
    gguf({ tensors: [tensor({ dims: [2n ** 51n - 1n] })], data: 32 }),
    /ends at byte|counted/,
  ],
  "type 4, which was removed": [gguf({ tensors: [tensor({ type: 4 })], data: 32 }), /unknown type 4/],
  "type 2^32 - 1": [gguf({ tensors: [tensor({ type: 0xffffffff })], data: 32 }), /unknown type 4294967295/],
  "rows that are no whole blocks": [
    gguf({ tensors: [tensor({ type: 8, dims: [16, 2] })], data: 64 }),
    /in blocks of 32, and has rows of 16/,
  ],
  "offset no multiple of the alignment": [
    gguf({ tensors: [tensor({ offset: 16 })], data: 64 }),
    /no multiple of 32/,
  ],
  "offset 2^64 - 32": [gguf({ tensors: [tensor({ offset: -32n })], data: 32 }), /the offset of tensor "a"/],
  "offset 2^53": [gguf({ tensors: [tensor({ offset: 2n ** 53n })], data: 32 }), /the offset of tensor "a"/],
  "offset beyond the file": [gguf({ tensors: [tensor({ offset: 1 << 20 })], data: 32 }), /leaving a hole/],
  "offset that leaves a hole": [
    gguf({ tensors: [tensor(), tensor({ name: text("b"), offset: 64 })], data: 96 }),
    /"b" .* leaving a hole/,
  ],
  "two tensors at one place": [
    gguf({ tensors: [tensor(), tensor({ name: text("b") })], data: 32 }),
    /inside another/,
  ],
  "a tensor inside another": [
    gguf({ tensors: [tensor({ dims: [16] }), tensor({ name: text("b"), offset: 32 })], data: 64 }),
    /"b" .* inside another/,
  ],
  "offsets of another alignment": [
    gguf({
      pairs: [pair(ALIGN, 4, u32(64))],
      alignment: 64,
      tensors: [tensor(), tensor({ name: text("b"), offset: 32 })],
      data: 64,
    }),
    /no multiple of 64/,
  ],
  "no data": [gguf({ tensors: good }), /ends at byte .* of a file of/],
  "one byte of data missing": [
    gguf({ tensors: good, data: 32 }).slice(0, -1),
    /ends at byte .* of a file of/,
  ],
  "data of the second tensor missing": [
    gguf({ tensors: [tensor(), tensor({ name: text("b"), offset: 32 })], data: 32 }),
    /"b" ends at byte/,
  ],
  "data of 4 EiB claimed": [gguf({ tensors: [tensor({ dims: [2n ** 50n] })], data: 32 }), /ends at byte/],
  "bytes after the data": [gguf({ tensors: good, data: 32 + 64 }), /64 bytes after the last tensor/],
};

describe("bad files", () => {
  it("are more than sixty", () => expect(Object.keys(bad).length).toBeGreaterThanOrEqual(60));
  for (const [name, [bytes, message]] of Object.entries(bad))
    it(name, async () => {
      const files = memoryFiles({ "bad.gguf": bytes });
      const error = await openGguf(files, "bad.gguf").then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(SinterError);
      expect((error as SinterError).kind).toBe("corrupt");
      expect((error as SinterError).message).toMatch(message);
      expect((error as SinterError).message).toMatch(/^bad\.gguf: offset \d+: /);
      expect(files.open_).toBe(0);
      expect(files.largestRead).toBeLessThanOrEqual(1 << 17);
    });
});

describe("good files", () => {
  const tensors: readonly (GgufTensorToWrite & { readonly type: FloatFormat })[] = [
    { name: "f32", type: "F32", shape: [3, 5] },
    { name: "f16", type: "F16", shape: [7] },
    { name: "bf16", type: "BF16", shape: [2, 2, 2] },
    { name: "q8", type: "Q8_0", shape: [3, 64] },
    { name: "q4", type: "Q4_0", shape: [2, 96] },
  ];
  const values = tensors.map(({ shape }, t) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i + t)),
  );
  const tokens = Array.from({ length: 1000 }, (_, i) => `token ▁${i}`);
  const pairs = [
    textPair("general.name", "ü"),
    u32Pair("a.u32", 2 ** 32 - 1),
    f32("a.f32", 0.5),
    bool("a.bool", true),
    list("a.few", "i32", [1, -2]),
    list("a.none", "string", []),
    list("tokens", "string", tokens),
    { key: "a.u64", type: "u64", value: 2n ** 64n - 1n },
    { key: "a.i64", type: "i64", value: -5n },
    { key: "a.i8", type: "i8", value: -3 },
    { key: "a.i16", type: "i16", value: -300 },
    { key: "a.f64", type: "f64", value: Math.PI },
  ] as const;

  const written = join(
    ggufHeader(pairs, tensors),
    ...tensors.flatMap((t, i) => {
      const out = new Uint8Array(tensorBytes(t));
      numberFormats[t.type].encode(values[i]!, out);
      return [out, new Uint8Array(paddingAfter(out.length))];
    }),
  );

  it("come back as they were written", async () => {
    const read = await open(written);
    expect(Object.fromEntries(read.metadata)).toEqual({
      "general.name": "ü",
      "a.u32": 2 ** 32 - 1,
      "a.f32": 0.5,
      "a.bool": true,
      "a.few": [1, -2],
      "a.none": [],
      tokens: { type: "string", count: 1000 },
      "a.u64": 2n ** 64n - 1n,
      "a.i64": -5n,
      "a.i8": -3,
      "a.i16": -300,
      "a.f64": Math.PI,
    });
    expect(await read.array("tokens")).toEqual(tokens);
    expect([...read.tensors.values()].map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(
      tensors,
    );
    const error = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8, Q8_0: 1 / 127, Q4_0: 1 / 7 };
    for (const [i, t] of tensors.entries()) {
      const got = await allFloats(read.tensors.get(t.name)!);
      got.forEach((x, k) => expect(Math.abs(x - values[i]![k]!)).toBeLessThanOrEqual(error[t.type]));
    }
  });
  it("refuse a list that is too long for its purpose", async () => {
    const read = await open(written);
    await expect(read.array("tokens", 999)).rejects.toThrow(/tokens has 1000 items; at most 999/);
  });
  it("may have another alignment, be of version 2, and hold nothing at all", async () => {
    const read = await open(
      gguf({ pairs: [pair(ALIGN, 4, u32(1 << 20))], alignment: 1 << 20, tensors: good, data: 32 }),
    );
    expect(read.tensors.get("a")!.offset).toBe(1 << 20);
    expect((await open(gguf({ version: 2, tensors: good, data: 32 }))).version).toBe("2");
    expect((await open(gguf({}))).tensors.size).toBe(0);
  });
  it("list tensors of types that are not read", async () => {
    const read = await open(gguf({ tensors: [tensor({ type: 19, dims: [256] })], data: 64 }));
    expect(read.tensors.get("a")).toMatchObject({ type: "IQ1_S", bytes: 50 });
    await expect(allFloats(read.tensors.get("a")!)).rejects.toThrow(/"a" is IQ1_S, which is not read here/);
  });

  it("changed at random: an error that says where, or a file that is read", async () => {
    const bytes = gguf({
      pairs: [
        pair("general.architecture", 8, text("llama")),
        pair(ALIGN, 4, u32(32)),
        pair("t", 9, u32(8), u64(2), text("ab"), text("c")),
        pair("f", 6, le(4, 0)),
      ],
      tensors: [tensor(), tensor({ name: text("b"), type: 8, dims: [32, 2], offset: 32 })],
      data: 32 + 96,
    });
    const mutation = fc.oneof(
      fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)).map(
        ([at, value]) =>
          (b: Uint8Array) =>
            void (b[at] = value),
      ),
      fc.tuple(fc.nat(bytes.length - 9), fc.bigInt(0n, 2n ** 64n - 1n)).map(
        ([at, value]) =>
          (b: Uint8Array) =>
            b.set(u64(value), at),
      ),
      fc
        .tuple(
          fc.nat(bytes.length - 9),
          fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
        )
        .map(
          ([at, value]) =>
            (b: Uint8Array) =>
              b.set(u64(value), at),
        ),
    );
    const before = process.memoryUsage().arrayBuffers;
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: bytes.length }),
        fc.boolean(),
        async (changes, length, cut) => {
          const changed = bytes.slice();
          for (const change of changes) change(changed);
          try {
            const read = await open(cut ? changed.slice(0, length) : changed);
            for (const t of read.tensors.values())
              await t
                .floats(0, t.elements)
                .catch((error: unknown) => expect(error).toBeInstanceOf(SinterError));
          } catch (error) {
            if (!(error instanceof SinterError)) throw error;
            expect(error.message).toMatch(/^bad\.gguf: offset \d+: /);
          }
        },
      ),
      { numRuns: Number(process.env["FUZZ"] ?? 10_000) },
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
  });
});
