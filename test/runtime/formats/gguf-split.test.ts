/**
 * A model in several GGUF files is read as one model, whichever file is named. A file that is missing,
 * renamed or another model's is reported.
 */
import { describe, expect, it } from "vitest";
import { concat } from "../../../runtime/base/bytes.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import {
  ggufHeader,
  paddingAfter,
  text,
  u32,
  type PairToWrite,
} from "../../../runtime/formats/gguf/gguf-write.ts";
import { allFloats } from "../../../runtime/formats/kit/weights.ts";
import { memoryFiles } from "../../support/memory-files.ts";

const names = ["a", "b", "c", "d"];
const valuesOf = (name: string): Float32Array =>
  Float32Array.from({ length: 10 }, (_, i) => name.charCodeAt(0) + i / 8);

function file(tensors: readonly string[], pairs: readonly PairToWrite[]): Uint8Array {
  const data = tensors.flatMap((name) => [
    new Uint8Array(valuesOf(name).buffer),
    new Uint8Array(paddingAfter(40)),
  ]);
  return concat([
    ggufHeader(
      pairs,
      tensors.map((name) => ({ name, type: "F32", shape: [2, 5] })),
    ),
    ...data,
  ]);
}
const split = (no: number, count = 3, tensors = names.length): PairToWrite[] => [
  u32("split.no", no),
  u32("split.count", count),
  u32("split.tensors.count", tensors),
];
const at = (n: number, of = 3): string => `dir/m-0000${n}-of-0000${of}.gguf`;
const parts: Readonly<Record<string, Uint8Array>> = {
  [at(1)]: file(["a"], [text("general.architecture", "llama"), ...split(0)]),
  [at(2)]: file(["b", "c"], split(1)),
  [at(3)]: file(["d"], split(2)),
};

async function refused(
  changes: Readonly<Record<string, Uint8Array | undefined>>,
  path = at(1),
): Promise<SinterError> {
  const all = Object.entries({ ...parts, ...changes }).filter(
    (each): each is [string, Uint8Array] => each[1] !== undefined,
  );
  const files = memoryFiles(Object.fromEntries(all));
  const error = await openGguf(files, path).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(SinterError);
  expect(files.open_).toBe(0);
  return error as SinterError;
}

describe("a split GGUF", () => {
  it.each([1, 2, 3])("is one model, named by its file %i", async (n) => {
    const files = memoryFiles(parts);
    const whole = await openGguf(files, at(n));
    expect(whole).toMatchObject({ path: at(1), version: "3, 3 files" });
    expect(whole.metadata.get("general.architecture")).toBe("llama");
    expect([...whole.tensors.keys()]).toEqual(names);
    for (const [name, tensor] of whole.tensors) expect(await allFloats(tensor)).toEqual(valuesOf(name));
    await whole.close();
    expect(files.open_).toBe(0);
  });
  it("may begin with a file without tensors; one of one is whole", async () => {
    const files = memoryFiles({ [at(1, 2)]: file([], split(0, 2)), [at(2, 2)]: file(names, split(1, 2)) });
    const whole = await openGguf(files, at(1, 2));
    expect([...whole.tensors.keys()]).toEqual(names);
    await whole.close();
    await (await openGguf(memoryFiles({ "m.gguf": file(names, split(0, 1)) }), "m.gguf")).close();
  });
  it("says which file it is, and which is missing", async () => {
    expect(await refused({ [at(2)]: undefined })).toMatchObject({
      kind: "input",
      message:
        `${at(1)} is file 1 of 3 that a model was split into; ` +
        "beside it there is no m-00002-of-00003.gguf",
      hint: "Put all files of the model into one folder; then name any of them.",
    });
    expect((await refused({ [at(1)]: undefined, [at(2)]: undefined }, at(3))).message).toContain(
      "file 3 of 3 that a model was split into; beside it there is no m-00001-of-00003.gguf, m-00002",
    );
    const renamed = await refused({ "dir/second.gguf": parts[at(2)] }, "dir/second.gguf");
    expect(renamed).toMatchObject({
      kind: "input",
      message: expect.stringContaining(
        "is file 2 of 3 that a model was split into, and its name does not say so",
      ) as unknown,
    });
    expect(renamed.hint).toContain("NAME-00002-of-00003.gguf");
  });
  it("refuses files of several models, in another order, or with a tensor twice", async () => {
    expect((await refused({ [at(2)]: parts[at(3)] })).message).toBe(
      `${at(2)}: it is not file 2 of 3 of the same model`,
    );
    expect((await refused({ [at(3)]: file(["d"], split(2, 3, 9)) })).message).toContain("not file 3 of 3");
    expect((await refused({ [at(3)]: file(["d"], []) })).message).toContain("not file 3 of 3");
    expect((await refused({ [at(3)]: file(["a"], split(2)) })).message).toContain(
      `tensor "a" is in ${at(1)} already`,
    );
    expect((await refused({ [at(2)]: file(["b"], split(1)) })).message).toContain(
      "its files have 3 tensors together; it says 4",
    );
    expect((await refused({ [at(3)]: parts[at(3)]!.slice(0, -40) })).message).toContain(
      "m-00003-of-00003.gguf",
    );
  });
  it("refuses numbers that are none", async () => {
    for (const [no, count] of [
      [3, 3],
      [7, 1],
    ] as const)
      expect((await refused({ [at(1)]: file(["a"], split(no, count)) })).kind).toBe("corrupt");
    expect((await refused({ [at(1)]: file(["a"], [text("split.count", "3")]) })).message).toContain(
      "split.count is 3; a whole number up to 4096 was expected",
    );
    expect((await refused({ [at(1)]: file(["a"], split(0, 5000)) })).message).toContain(
      "split.count is 5000",
    );
  });
});
