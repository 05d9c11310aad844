/** Keys and values in 8 bits: another operation, smaller caches, and nothing else. */
import { expect, test } from "vitest";
import { sliceBytes, type Graph } from "../../../compiler/3-graph/ir.ts";
import { verifyGraph } from "../../../compiler/3-graph/verify.ts";
import { fuse } from "../../../compiler/5-fuse/fuse.ts";
import { quantiseCache } from "../../../compiler/5-fuse/quantise-cache.ts";
import { dropUnread } from "../../../compiler/5-fuse/unread.ts";
import { graphOf, opsOf, smallNames } from "../../support/small-graphs.ts";

const bytesOf = ({ values }: Graph): readonly number[] =>
  [...values.values()].filter((v) => v.storage === "cache").flatMap(sliceBytes);

test.each(smallNames)("%s", (name) => {
  for (const entry of ["prefill", "decode"] as const) {
    const before = fuse(dropUnread(graphOf(name, entry)));
    const after = quantiseCache(before, "q8_0");
    verifyGraph(after, "cache");
    expect(opsOf(after)).toEqual(
      opsOf(before).map((op) => (op === "attention_cached" ? "attention_cached_q8" : op)),
    );
    const [was, is] = [bytesOf(before), bytesOf(after)];
    expect(was.length).toBeGreaterThan(0);
    is.forEach((bytes, i) => expect(bytes).toBeLessThan(was[i]!));
  }
});

test("layers that alternate keep caches of their own sizes", () => {
  const { values } = quantiseCache(fuse(dropUnread(graphOf("banded", "decode"))), "q8_0");
  const keys = [...values.values()].find((v) => v.storage === "cache")!;
  const [dense, ring] = sliceBytes(keys) as [number, number];
  expect(ring).toBeLessThan(dense / 2);
});
