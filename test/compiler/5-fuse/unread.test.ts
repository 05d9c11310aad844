/** What nobody reads is not computed, and nothing that leaves the graph changes. */
import { describe, expect, test } from "vitest";
import { freeze } from "../../../compiler/3-graph/freeze.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { dropUnread } from "../../../compiler/5-fuse/unread.ts";
import { expectSame, graphOf, opsOf, smallNames } from "../../support/small-graphs.ts";

describe("what leaves the graph is the same", () => {
  test.each(smallNames)("%s", (name) => {
    for (const graph of [graphOf(name, "evaluate"), differentiate(graphOf(name, "train"))])
      expectSame(graph, dropUnread(graph));
  });
});

test("a norm's statistics and attention's logarithms are for the backward alone", () => {
  const forward = graphOf("gpt", "evaluate");
  const statistics = [...forward.values.keys()].filter((name) => /\.(rstd|mean|lse)$/.test(name));
  expect(statistics.length).toBeGreaterThan(0);
  const { values } = dropUnread(forward);
  expect(statistics.filter((name) => values.has(name))).toEqual([]);
  const training = dropUnread(differentiate(graphOf("gpt", "train"))).values;
  expect(statistics.filter((name) => !training.has(name))).toEqual([]);
});

test("cotangents that lead to no trained parameter are not computed", () => {
  const all = dropUnread(differentiate(graphOf("gpt", "train")));
  const headOnly = freeze(graphOf("gpt", "train"), (name) => name.startsWith("output."));
  const some = dropUnread(differentiate(headOnly));
  expect(opsOf(all)).toContain("attention_backward");
  expect(opsOf(some)).not.toContain("attention_backward");
});
