/** Bundles that are kept are those of this model, these options and this compiler, byte for byte. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bundleOf, keepBundles } from "../../../../app/cli/options/kept-bundle.ts";
import { checkSource } from "../../../../compiler/2-check/check.ts";
import { keptInMemory } from "../../../support/kept-in-memory.ts";
import { shippedSpec } from "../../../support/paths.ts";

afterEach(() => keepBundles(undefined));

const source = shippedSpec("tiny");
const model = checkSource(source).models[0]!;
const options = { targets: ["simd"] } as const;

test("a bundle is compiled once", async () => {
  const kept = keptInMemory();
  keepBundles(kept);
  const compiled = await bundleOf(model, ["infer"], options);
  expect([...kept.all.keys()]).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.bundle$/)]);
  kept.write = () => expect.unreachable("it is kept already");
  expect(await bundleOf(model, ["infer"], options)).toEqual(compiled);
});

describe("where something is kept under any name", () => {
  /** The names that were looked for. */
  const asked: string[] = [];
  beforeEach(() => {
    asked.length = 0;
    const bytes = new TextEncoder().encode('[["manifest.json",2]]\n{}');
    keepBundles({ read: async (name) => (asked.push(name), bytes), write: async () => {} });
  });

  test("another model, module or option is another name", async () => {
    const deeper = checkSource(source, { set: { layers: "3" } }).models[0]!;
    await bundleOf(model, ["infer"], options);
    await bundleOf(deeper, ["infer"], options);
    await bundleOf(model, ["train"], options);
    await bundleOf(model, ["infer"], { ...options, cache: "q8_0" });
    await bundleOf(model, ["infer"], { ...options, tiles: new Map([["a kernel", { M: 4 }]]) });
    expect(new Set(asked).size).toBe(5);
  });

  test("what depends on a function is not looked for; what does not fit is refused", async () => {
    const tooLarge = { ...options, memoryLimit: 65_536, trains: () => true };
    await expect(bundleOf(model, ["train"], tooLarge)).rejects.toMatchObject({ kind: "memory" });
    expect(asked).toEqual([]);
  });
});
