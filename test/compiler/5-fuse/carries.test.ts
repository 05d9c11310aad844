/** What a layer hands on shares one buffer with what it took, or is copied at the end of the iteration. */
import { describe, expect, test } from "vitest";
import type { Graph } from "../../../compiler/3-graph/ir.ts";
import { whole } from "../../../compiler/3-graph/ir.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { settleCarries } from "../../../compiler/5-fuse/carries.ts";
import { expectSame, graphOf, opsOf, smallNames } from "../../support/small-graphs.ts";

describe("what leaves the graph is the same", () => {
  test.each(smallNames)("%s", (name) => {
    const graph = differentiate(graphOf(name, "train"));
    expectSame(graph, settleCarries(graph));
  });
});

/** out = x + x, then late = x + out: with the last node, x is read after its successor was written. */
function doubling(readsLate: boolean): Graph {
  const graph = graphOf("gpt", "prefill");
  const x = graph.values.get("x")!;
  const values = new Map(graph.values);
  for (const name of ["next", "late"]) values.set(name, { ...x, name });
  const add = (a: string, b: string, out: string) =>
    ({ op: "add", ins: { a: whole(a), b: whole(b) }, outs: { out: whole(out) }, attrs: {} }) as const;
  const nodes = [add("x", "late", "next"), ...(readsLate ? [add("x", "next", "late")] : [])];
  const sections = graph.sections.map((s) =>
    s.role === "layer" ? { ...s, nodes, carries: [{ from: "x", to: "next" }] } : s,
  );
  return { ...graph, values, sections };
}

test("a value that is not read any more gives its buffer to the next one", () => {
  const settled = settleCarries(doubling(false));
  const layer = settled.sections.find((s) => s.role === "layer")!;
  expect(layer.carries).toEqual([{ from: "x", to: "next" }]);
  expect(opsOf(settled)).toEqual(opsOf(doubling(false)));
});

test("a value that is still read keeps its buffer, and the next one is copied into it", () => {
  const settled = settleCarries(doubling(true));
  const layer = settled.sections.find((s) => s.role === "layer")!;
  expect(layer.carries).toEqual([]);
  expect(layer.nodes.at(-1)).toMatchObject({
    op: "copy",
    ins: { x: whole("next") },
    outs: { out: whole("x") },
  });
});
