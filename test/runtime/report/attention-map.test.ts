/** Drawings of what goes on inside: every weight is where it belongs, texts are safe, nothing overflows. */
import { expect, test } from "vitest";
import type { TextInside } from "../../../runtime/look/text-inside.ts";
import { attentionLines, attentionMap } from "../../../runtime/report/attention-map.ts";
import { distributionBars, textBar } from "../../../runtime/report/distribution.ts";
import { insidePage } from "../../../runtime/report/inside-page.ts";
import { lensLines, likelyLines, mapLines, tokenLines } from "../../../runtime/report/inside-text.ts";
import { fitted, widthOf } from "../../../runtime/report/text-width.ts";

const tokens = [
  { id: 7, text: "<b>" },
  { id: 8, text: "␣cat" },
  { id: 9, text: "␣it" },
];
const texts = tokens.map(({ text }) => text);
const weights = Float32Array.of(1, 0, 0, 0.5, 0.5, 0, 0.01, 0.9, 0.09);
const cell = { top: [{ id: 8, text: "␣cat", probability: 0.75 }], next: 0.5 };
const inside: TextInside = {
  tokens,
  leftOut: 2,
  layers: 1,
  heads: 1,
  neurons: [4],
  attention: [weights],
  summaries: [{ layer: 0, head: 0, same: 0.3, previous: 0.7, first: 0, other: 0, distance: 0.7 }],
  lens: {
    positions: [1, 2],
    rows: [
      [cell, cell],
      [cell, { ...cell, next: undefined }],
    ],
  },
  next: [{ id: 8, text: "␣cat", probability: 0.75 }],
  strongest: [],
};

test("a map has a cell for each weight, in its row and column, as dark as it is large", () => {
  const svg = attentionMap({ tokens: texts, weights }, { title: 'the "map"', cell: 10 });
  const cells = [...svg.matchAll(/<path d="([^"]*)" fill-opacity="([^"]*)">/g)].flatMap(([, d, opacity]) =>
    [...d!.matchAll(/M(\d+) (\d+)/g)].map(([, x, y]) => `${y},${x} ${opacity}`),
  );
  // 0.01 is lighter than the lightest
  expect(cells.sort()).toEqual(["0,0 1.00", "10,0 0.50", "10,10 0.50", "20,10 0.92", "20,20 0.08"]);
  expect(svg).toContain('aria-label="the &#34;map&#34;"');
  expect(attentionMap({ tokens: texts, weights }, { title: "" })).toContain("&#60;b&#62;</text>");
});

test("lines lead from one token, or from all, to what it looks at", () => {
  const all = attentionLines({ tokens: texts, weights }, { title: "lines" });
  expect(all.match(/<title>/g)).toHaveLength(5); // 0.01 is left out
  const one = attentionLines({ tokens: texts, weights }, { title: "lines", query: 2 });
  expect([...one.matchAll(/<title>([^<]*)</g)].map(([, said]) => said)).toEqual([
    "␣it → ␣cat: 90 %",
    "␣it → ␣it: 9 %",
  ]);
});

test("bars are as long as they are likely", () => {
  const svg = distributionBars(
    [
      { text: "<b>", probability: 0.5, before: 0.25 },
      { text: "c", probability: 0.1 },
    ],
    "next",
  );
  expect([...svg.matchAll(/height="16"[^>]*>/g)]).toHaveLength(2);
  expect(svg).toContain('width="160.0"');
  expect(svg).toContain('width="32.0"');
  expect(svg).toContain("before: 25.0 %");
  expect(svg).not.toContain("<b>");
  expect([textBar(0, 4), textBar(0.5, 4), textBar(0.28, 4), textBar(2, 4)]).toEqual(["", "██", "█▏", "████"]);
});

test("in a terminal: rows and columns can be read, and fit", () => {
  expect(mapLines(tokens, weights, 80)).toEqual([
    "  <b>   ██ <b>",
    "  ␣cat  ▓▓▓▓ ␣cat",
    "  ␣it   · ██░░ ␣it",
  ]);
  expect(mapLines(tokens, weights, 16)[0]).toBe("  (the last 2 of 3 tokens)");
  expect(tokenLines(tokens, 80)).toEqual(["  <b> 7    ␣cat 8   ␣it 9"]);
  expect(lensLines(inside, 80)).toEqual([
    "  after      ␣cat          ␣it",
    "  follows    ␣it           ?",
    "  embedding  ␣cat    75 %  ␣cat    75 %",
    "  layer 0    ␣cat    75 %  ␣cat    75 %",
  ]);
  expect(lensLines(inside, 30)[0]).toBe("  after      ␣it");
  expect(likelyLines(inside.next)).toEqual([`  ␣cat 8     75.0 %  ${"█".repeat(30)}`]);
  expect([fitted("猫が好き", 5), fitted("cat", 5)]).toEqual(["猫が…", "cat  "]);
  expect(widthOf("猫é")).toBe(3);
});

test("the page has all of it, and no markup from a model", () => {
  const page = insidePage({
    model: "<m>",
    about: "step 3",
    inside,
    head: { layer: 0, head: 0 },
    neurons: [{ name: "layer 0, neuron 1", says: "writes <i>" }],
  });
  for (const part of [
    "Tokens and their numbers",
    "2 tokens at the beginning",
    "layer 0, head 0",
    "logit lens",
  ])
    expect(page).toContain(part);
  expect(page).toContain('title="␣cat 75.0 %; what follows: 50.0 %"');
  for (const raw of ["<m>", "<i>", "<b></", "<script"]) expect(page).not.toContain(raw);
  const without = insidePage({
    model: "m",
    about: "",
    inside: { ...inside, heads: 0, summaries: [] },
    head: undefined,
    neurons: [],
  });
  expect(without).not.toContain("All heads");
});
