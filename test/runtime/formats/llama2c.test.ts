/**
 * llama2.c's files: the three forms of one real model agree, and headers with absurd numbers are refused
 * before anything is allocated.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { openLlama2c } from "../../../runtime/formats/llama2c.ts";
import { allFloats } from "../../../runtime/formats/kit/weights.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { memoryFiles } from "../../support/memory-files.ts";
import { shared } from "./shared.ts";

const i32 = (...values: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** width 8, hidden 12, 2 layers, 4 heads / 2, vocab 16, context 6 */
const sizes = [8, 12, 2, 4, 2, 16, 6];
const layer = 8 + 8 * 8 + 4 * 8 + 4 * 8 + 8 * 8 + 8 + 3 * 8 * 12;
const legacyFloats = 16 * 8 + 2 * layer + 8 + 2 * 6 * 1;
const legacy = (header = sizes, floats = legacyFloats): Uint8Array =>
  join(i32(...header), new Uint8Array(4 * floats));

interface Ak42 {
  readonly version?: number;
  readonly header?: readonly number[];
  readonly shared?: number;
  readonly group?: number;
  readonly bytes?: number;
}
const v1Bytes = 4 * (16 * 8 + 2 * layer + 8);
const matrices = 16 * 8 + 2 * (layer - 16);
const v2Bytes = 4 * (5 * 8) + matrices + (4 * matrices) / 4;
function ak42({
  version = 1,
  header = sizes,
  shared = 1,
  group = 4,
  bytes = version === 1 ? v1Bytes : v2Bytes,
}: Ak42): Uint8Array {
  const head = new Uint8Array(256);
  head.set(join(i32(0x616b3432, version, ...header), Uint8Array.of(shared), i32(group)));
  return join(head, new Uint8Array(bytes));
}
const withSize = (i: number, value: number): number[] => sizes.map((n, k) => (k === i ? value : n));
const big = 2 ** 31 - 1;

const bad: Record<string, readonly [Uint8Array, RegExp]> = {
  "empty file": [new Uint8Array(), /0 bytes are too few/],
  "27 bytes": [new Uint8Array(27), /27 bytes are too few/],
  "magic and nothing": [i32(0x616b3432), /4 bytes are too few for a header of 256/],
  "all zeros": [new Uint8Array(1000), /width is 0/],
  "version 0": [ak42({ version: 0 }), /version 0/],
  "version 3": [ak42({ version: 3 }), /version 3/],
  "shared flag 2": [ak42({ shared: 2 }), /flag of a shared output is 2/],
  "groups of 0": [ak42({ version: 2, group: 0 }), /groups of 0/],
  "groups of -4": [ak42({ version: 2, group: -4 }), /groups of -4/],
  "groups of 5": [ak42({ version: 2, group: 5 }), /does not divide into groups of 5/],
  "groups of 2^31 - 1": [ak42({ version: 2, group: big }), /groups of 2147483647/],
  "negative width": [legacy(withSize(0, -8)), /width is -8/],
  "width 2^31 - 1": [legacy(withSize(0, big)), /width is 2147483647/],
  "hidden 0": [legacy(withSize(1, 0)), /hidden is 0/],
  "hidden 2^31 - 1": [legacy(withSize(1, big)), /hidden is 2147483647/],
  "layers 0": [legacy(withSize(2, 0)), /layers is 0/],
  "layers 2^31 - 1": [legacy(withSize(2, big)), /layers is 2147483647/],
  "heads 0": [legacy(withSize(3, 0)), /heads is 0/],
  "heads 3": [legacy(withSize(3, 3)), /does not divide into 3 heads/],
  "heads as wide as one column": [legacy(withSize(3, 8)), /heads of even width/],
  "kv heads 0": [legacy(withSize(4, 0)), /kvHeads is 0/],
  "kv heads 3": [legacy(withSize(4, 3)), /do not divide into 3/],
  "kv heads more than heads": [legacy(withSize(4, 8)), /do not divide into 8/],
  "vocab 0": [legacy(withSize(5, 0)), /vocab is 0/],
  "vocab -2^31": [legacy(withSize(5, -(2 ** 31))), /vocab is 2147483648/],
  "context 0": [legacy(withSize(6, 0)), /context is 0/],
  "context 2^31 - 1": [legacy(withSize(6, big)), /context is 2147483647/],
  "every size at its most": [
    legacy([1 << 20, 1 << 24, 4096, 4096, 1, 1 << 24, 1 << 24]),
    /takes \d+ bytes; the file has/,
  ],
  "vocab larger than the file": [legacy(withSize(5, 17)), /takes \d+ bytes; the file has/],
  "output of its own, without it": [legacy(withSize(5, -16)), /takes \d+ bytes; the file has/],
  "one byte missing": [legacy().slice(0, -1), /takes \d+ bytes; the file has/],
  "four bytes more": [legacy(sizes, legacyFloats + 1), /takes \d+ bytes; the file has/],
  "v1, one byte missing": [ak42({}).slice(0, -1), /takes \d+ bytes; the file has/],
  "v2, other groups": [ak42({ version: 2, group: 8 }), /takes \d+ bytes; the file has/],
};

describe("bad files", () => {
  for (const [name, [bytes, message]] of Object.entries(bad))
    it(name, async () => {
      const files = memoryFiles({ "bad.bin": bytes });
      const error = await openLlama2c(files, "bad.bin").then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(SinterError);
      expect((error as SinterError).kind).toBe("corrupt");
      expect((error as SinterError).message).toMatch(message);
      expect(files.open_).toBe(0);
      expect(files.largestRead).toBeLessThanOrEqual(256);
    });
  it("headers changed at random: an error, or a file whose tensors are read", async () => {
    for (const bytes of [legacy(), ak42({}), ak42({ version: 2 })])
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(bytes.length > 256 ? 60 : 28), fc.nat(255)), {
            minLength: 1,
            maxLength: 4,
          }),
          async (changes) => {
            const changed = bytes.slice();
            for (const [at, value] of changes) changed[at] = value;
            try {
              const read = await openLlama2c(memoryFiles({ "bad.bin": changed }), "bad.bin");
              for (const t of read.tensors.values()) await allFloats(t);
            } catch (error) {
              if (!(error instanceof SinterError)) throw error;
            }
          },
        ),
        { numRuns: 5000 },
      );
  });
});

describe("good files", () => {
  it("small ones of every form", async () => {
    for (const [bytes, version] of [
      [legacy(), "legacy"],
      [ak42({}), "v1"],
      [ak42({ version: 2 }), "v2, int8 in groups of 4"],
    ] as const) {
      const read = await openLlama2c(memoryFiles({ "good.bin": bytes }), "good.bin");
      expect(read.version).toBe(version);
      expect(read.sizes).toEqual({
        width: 8,
        hidden: 12,
        layers: 2,
        heads: 4,
        kvHeads: 2,
        vocab: 16,
        context: 6,
        shared: true,
      });
    }
    const own = await openLlama2c(
      memoryFiles({ "good.bin": legacy(withSize(5, -16), legacyFloats + 16 * 8) }),
      "good.bin",
    );
    expect(own.sizes).toMatchObject({ vocab: 16, shared: false });
    expect(own.tensors.get("output.weight")!.shape).toEqual([16, 8]);
  });
  const folder = shared("checkpoints/stories260K");
  it.skipIf(!folder.there)(`the three forms of stories260K agree ${folder.why}`, async () => {
    const files = nodeFiles();
    const [legacy, v1, v2] = await Promise.all(
      ["stories260K.bin", "stories260K.v1.bin", "stories260K.q8-gs8.bin"].map((name) =>
        openLlama2c(files, `${folder.path}/${name}`),
      ),
    );
    for (const [name, tensor] of v1!.tensors) {
      const values = await allFloats(tensor);
      const rough = await allFloats(v2!.tensors.get(name)!);
      expect(await allFloats(legacy!.tensors.get(name)!)).toEqual(values);
      const most = values.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
      rough.forEach((x, i) => expect(Math.abs(x - values[i]!)).toBeLessThanOrEqual(most / 127));
      expect(await v2!.tensors.get(name)!.floats(8, 24)).toEqual(rough.slice(8, 32));
    }
    for (const file of [legacy, v1, v2]) await file!.close();
  });
});
