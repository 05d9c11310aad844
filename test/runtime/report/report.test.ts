/**
 * report.html: what is on it, and that the smoothed curve is where the points are. How it looks in Chromium:
 * test/pages.test.ts.
 */
import { describe, expect, test } from "vitest";
import { chart } from "../../../runtime/report/chart.ts";
import { htmlReport } from "../../../runtime/report/training-page.ts";
import { latest, smooth } from "../../../runtime/report/smooth.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";

const STEPS = 400;
const facts = {
  stage: "train",
  model: "m<1>",
  parameters: 804_096,
  target: "wide",
  workers: 2,
  data: "a&b.txt",
  steps: STEPS,
};

function eventsOf(experts: number): TrainEvent[] {
  const events: TrainEvent[] = [];
  for (let step = 1; step <= STEPS; step++) {
    const loss = 1.5 + 3 * Math.exp(-step / 60) + 0.1 * Math.sin(step * 1.7);
    const load = experts > 0 ? { balance: 0.01, overload: 1.4 } : {};
    events.push({
      kind: "step",
      step,
      loss,
      lr: 1e-3,
      norm: 1,
      ms: 20,
      tokens: step * 768,
      tokensPerSecond: 38_000 + step,
      ...load,
    });
    if (step % 100 === 0)
      events.push({
        kind: "eval",
        step,
        loss: loss + 0.1,
        perplexity: 5,
        bitsPerByte: 2.4,
        whole: false,
        ms: 9,
        tokens: 99,
      } as TrainEvent);
  }
  events.push({
    kind: "eval",
    step: STEPS,
    loss: 1.77,
    perplexity: 5.9,
    bitsPerByte: 2.55,
    whole: true,
    ms: 90,
    tokens: 999,
  } as TrainEvent);
  if (experts > 0)
    events.push({
      kind: "experts",
      step: STEPS,
      name: "mix",
      shares: [0, 1].map(() => Array.from({ length: experts }, () => 1 / experts)),
    });
  events.push({ kind: "sample", step: STEPS, prompt: "", text: `<b>${"long".repeat(100)}` });
  return events;
}

describe("the smoothed curve", () => {
  const points = (value: (x: number) => number): [number, number][] =>
    Array.from({ length: 300 }, (_, x) => [x, value(x)]);

  test("has no bias of its start: what is constant stays so from the first point on", () => {
    for (const [, y] of smooth(points(() => 4.2))) expect(y).toBeCloseTo(4.2, 9);
    expect(latest([4.2])).toBeCloseTo(4.2, 9);
    expect(smooth([[1, 7]])[0]![1]).toBeCloseTo(7, 9);
    expect(smooth([])).toEqual([]);
    expect(latest([])).toBeUndefined();
  });

  test("does not lag behind: it crosses the middle of a step where the step is", () => {
    const line = smooth(points((x) => (x < 150 ? 4 : 2)));
    expect(line[149]![1]).toBeGreaterThan(3);
    expect(line[150]![1]).toBeLessThan(3);
    for (const [x, y] of smooth(points((at) => 5 - at / 100)).slice(60, 240))
      expect(y).toBeCloseTo(5 - x / 100, 2);
  });

  test("leaves out what is no number", () => {
    expect(
      smooth([
        [1, 2],
        [2, NaN],
        [3, 2],
      ]).map(([x]) => x),
    ).toEqual([1, 3]);
  });
});

describe("the page", () => {
  const html = htmlReport(facts, eventsOf(4));

  test("stands alone, and texts are escaped", () => {
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:|NaN|undefined|\[object/);
    expect(html).toContain("m&#60;1&#62;");
    expect(html).not.toContain("<b>");
  });

  test("tells evaluations over windows from those over all of the held-out part", () => {
    expect(html).toMatch(/validation, windows/);
    expect(html).toMatch(/validation, all of it/);
    expect(html.match(/class="dot"/g)).toHaveLength(STEPS / 100);
    expect(html.match(/class="ring"/g)).toHaveLength(1);
    expect(html).toContain("<dd>1.7700<small>over all of it</small></dd>");
    const windows = htmlReport(
      facts,
      eventsOf(0).filter((e) => e.kind !== "eval" || !e.whole),
    );
    expect(windows).not.toMatch(/all of it/);
    expect(windows).toContain("<small>over windows</small>");
  });

  test("every chart says its unit and what is below", () => {
    const charts = html.match(/<section class="chart">.*?<\/section>/g)!;
    expect(charts).toHaveLength(6);
    for (const each of charts)
      expect(each).toMatch(/<p class="unit">[^<]+<\/p>.*<p class="steps">step<\/p>/s);
  });

  test("before the first step it is a page, too", () => {
    expect(htmlReport(facts, [])).not.toMatch(/NaN|undefined|Infinity|<section/);
  });
});

test("the labels of a chart go around its points", () => {
  const text = chart(
    "t",
    [
      {
        name: "c",
        tone: "first",
        points: [
          [1, 1.62],
          [2, 3.1],
        ],
      },
    ],
    { height: 320, unit: "u" },
  );
  const labels = [...text.matchAll(/class="y"[^>]*>([^<]+)</g)].map((m) => Number(m[1]));
  expect(labels[0]).toBeLessThanOrEqual(1.62);
  expect(labels.at(-1)).toBeGreaterThanOrEqual(3.1);
  expect(labels.length).toBeGreaterThanOrEqual(4);
});
