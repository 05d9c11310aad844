/** Fusion: every rule fires somewhere, and what a graph computes stays what it was. */
import { describe, expect, test } from "vitest";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { countPairs, fuse, type FusionEvent } from "../../../compiler/5-fuse/fuse.ts";
import { rules, twins } from "../../../compiler/5-fuse/rules.ts";
import { dropUnread } from "../../../compiler/5-fuse/unread.ts";
import { expectSame, graphOf, opsOf, smallNames } from "../../support/small-graphs.ts";

describe("what training computes is the same before and after", () => {
  const fired = new Set<string>();
  test.each(smallNames)("%s", (name) => {
    const before = dropUnread(differentiate(graphOf(name, "train")));
    const events: FusionEvent[] = [];
    const after = fuse(before, (event) => events.push(event));
    expectSame(before, after);
    expect(opsOf(after).length).toBeLessThan(opsOf(before).length);
    for (const { rule } of events) fired.add(rule);
  });
  test("every rule fires in one of them", () => {
    const names = [...rules, ...twins].map((rule) => rule.name);
    expect(names.filter((name) => !fired.has(name))).toEqual([]);
  });
});

describe("what sampling computes is the same before and after", () => {
  test.each(smallNames)("%s", (name) => {
    const before = dropUnread(graphOf(name, "prefill"));
    expectSame(before, fuse(before));
  });
});

test("pairs that no rule could join are counted", () => {
  const rule = rules.find(({ name }) => name === "bias into matmul")!;
  const graph = dropUnread(graphOf("gpt", "decode"));
  expect(countPairs(graph, rule)).toBeGreaterThan(0);
  expect(countPairs(fuse(graph), rule)).toBe(0);
});

test("a graph without anything to fuse stays as it is", () => {
  const once = fuse(dropUnread(graphOf("gpt", "decode")));
  expect(fuse(once)).toEqual(once);
});
