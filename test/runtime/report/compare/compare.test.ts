/** Comparing runs: until where they are the same, what differs, and what the page says of each case. */
import { describe, expect, test } from "vitest";
import { comparePage } from "../../../../runtime/report/compare/compare-page.ts";
import { shortNames, type ComparedRun } from "../../../../runtime/report/compare/compared-run.ts";
import { commonText, differingSettings } from "../../../../runtime/report/compare/differences.ts";
import {
  figureChart,
  figureCurves,
  firstView,
  type Figure,
} from "../../../../runtime/report/compare/figures.ts";
import { commonStart } from "../../../../runtime/report/compare/identical.ts";
import { summaryOf } from "../../../../runtime/report/compare/summary.ts";
import { logRows } from "../../../../runtime/report/log-rows.ts";
import type { TrainEvent } from "../../../../runtime/train/events.ts";
import { stepEvents } from "../../../support/logged-runs.ts";

const runOf = (name: string, events: readonly TrainEvent[], more: Partial<ComparedRun> = {}): ComparedRun => {
  const facts = { stage: "train", model: "m", data: "t.txt", steps: 20 };
  const known = { name, folder: `/runs/${name}`, facts, settings: new Map<string, string>(), damaged: 0 };
  return { ...known, state: "done", events, rows: logRows(events), ...more };
};

describe("identical until", () => {
  const a = runOf("a", stepEvents(20));
  const text = (events: readonly TrainEvent[]): string => commonText(a, runOf("b", events));

  test("the step before the first difference, and what differs there", () => {
    const changed = stepEvents(20, (step) => (step > 12 ? { lr: 2e-3, ...(step > 13 && { loss: 9 }) } : {}));
    expect(text(changed)).toBe("a and b: identical until step 12, then lr");
  });

  test("one digit in the ninth place is a difference; speed and evaluations are none", () => {
    expect(text(stepEvents(20, (step) => (step === 5 ? { norm: 1.00000001 } : {})))).toMatch(
      /until step 4, then grad_norm$/,
    );
    const evaluated = { kind: "eval", step: 3, loss: 2, tokens: 5, ms: 7, whole: false } as const;
    const other = [...stepEvents(30, () => ({ tokensPerSecond: 1, ms: 9 })), evaluated];
    expect(text(other)).toBe("a and b: identical in all 20 steps that both have");
  });

  test("from the first step on, and without a step in common", () => {
    expect(text(stepEvents(20, () => ({ loss: 7 })))).toBe("a and b: different from step 1 on: train/loss");
    expect(text([])).toBe("a and b: no step that both logs have");
  });

  test("steps that a damaged log lacks are told", () => {
    const lacking = stepEvents(20).filter(({ step }) => step !== 4 && step !== 5);
    expect(text(lacking)).toMatch(/identical in all 20 .*\(2 of them are missing in a log\)/);
    expect(commonStart(a.rows, logRows(lacking))).toEqual({ until: 20, differs: undefined, missing: 2 });
  });
});

test("names are the last folders that tell runs apart", () => {
  expect(shortNames(["/a/x/run", "/b/x/run", "/c/other"])).toEqual(["a/x/run", "b/x/run", "other"]);
  expect(shortNames(["/run", "/a/run"])).toEqual(["run", "a/run"]);
});

test("only settings that differ are listed, also where a run has none of that name", () => {
  const settings = [
    { settings: new Map(Object.entries({ lr: "1", batch: "4" })) },
    { settings: new Map(Object.entries({ lr: "2", batch: "4", beta: "0.1" })) },
  ];
  expect(differingSettings(settings)).toEqual([
    { name: "lr", values: ["1", "2"] },
    { name: "beta", values: [undefined, "0.1"] },
  ]);
});

test("a summary: best over windows, all at the end, the metric of a stage", () => {
  const evaluated = (step: number, loss: number, whole = false): TrainEvent => ({
    kind: "eval",
    step,
    loss,
    tokens: 5,
    ms: 1,
    whole,
    metrics: { "rewards/accuracies": step / 20 },
  });
  const events = [
    ...stepEvents(20),
    evaluated(5, 3),
    evaluated(10, 2),
    evaluated(15, 2.5),
    evaluated(20, 4, true),
  ];
  const facts = { stage: "prefer", model: "m", data: "t.txt", steps: 20 };
  expect(summaryOf(runOf("a", events, { facts }))).toMatchObject({
    step: 20,
    tokens: 1280,
    tokensPerSecond: 256,
    wholeLoss: 4,
    bestLoss: { step: 10, value: 2 },
    headline: { name: "rewards/accuracies", step: 20, value: 1 },
  });
  expect(summaryOf(runOf("b", []))).toMatchObject({
    step: 0,
    bestLoss: undefined,
    tokensPerSecond: undefined,
  });
});

describe("the page", () => {
  const odd = "<img src=x onerror=alert(1)>";
  const sample = { kind: "sample", step: 20, prompt: "", text: `</script><b>${odd}` } as const;
  const html = comparePage([
    runOf(odd, [...stepEvents(20, () => ({ metrics: { "<i>m</i>": 1 } })), sample]),
    runOf("short", stepEvents(2), { state: "in progress", damaged: 3, settings: new Map([["lr", odd]]) }),
    runOf("none", [], { state: "began" }),
  ]);

  test("names, settings, metrics and samples are text, in markup and in the data", () => {
    expect(html).not.toMatch(/<img|<b>|<i>m|NaN|undefined|\[object/);
    expect(html.match(/<\/script>/g)).toHaveLength(1); // the data's own
    const data = JSON.parse(/id="data">(.*?)<\/script>/s.exec(html)![1]!) as { readonly names: string[] };
    expect(data.names).toEqual([odd, "short", "none"]);
  });

  test("says what a run lacks", () => {
    expect(html).toContain("short: 3 lines of its log are damaged and left out.");
    expect(html).toContain("none: it has made no step yet.");
    expect(html).toContain("short: it was never evaluated on what is held out.");
    expect(html).toMatch(/of 20, in progress/);
    expect(html).toMatch(/of 20, not begun/);
  });

  test("lets nothing in from outside", () => {
    expect(html).toMatch(/Content-Security-Policy" content="default-src 'none'/);
    expect(html).not.toMatch(/<link|@import|url\(|https?:/);
  });
});

describe("a figure", () => {
  const figure: Figure = {
    title: "loss",
    unit: "nats",
    isLarge: true,
    isMeasured: false,
    isNoisy: false,
    runs: [
      [
        [1, 64, 300, 4],
        [2, 128, 600, 0],
      ],
      [[1, 32, 50, 2]],
      [],
    ],
  };
  const view = firstView(3);

  test("over steps, tokens and time; runs that are hidden or have none are left out", () => {
    const points = (axis: typeof view.axis): unknown => figureCurves(figure, { ...view, axis })[0]!.points;
    expect(points("step")).toEqual([
      [1, 4],
      [2, 0],
    ]);
    expect(points("tokens")).toEqual([
      [64, 4],
      [128, 0],
    ]);
    expect(points("time")).toEqual([
      [5, 4],
      [10, 0],
    ]);
    expect(figureChart(figure, { ...view, axis: "time" })).toContain("minutes of training");
    expect(figureCurves(figure, { ...view, shown: [false, true, true] }).map(({ run }) => run)).toEqual([1]);
    expect(figureChart(figure, { ...view, shown: [false, false, true] })).toContain("no run that has it");
  });

  test("a logarithm leaves out what is not positive", () => {
    const drawn = figureChart(figure, { ...view, logarithmic: true });
    expect(drawn).not.toMatch(/NaN|Infinity/);
    expect(figureCurves(figure, { ...view, logarithmic: true })[0]!.points).toEqual([[1, 4]]);
    expect([...drawn.matchAll(/class="y"[^>]*>([^<]+)</g)].map((m) => m[1])).toEqual(["2", "5"]);
  });

  test("colours come again after eight runs, with another line", () => {
    const many = { ...figure, runs: Array.from({ length: 9 }, () => figure.runs[0]!) };
    const curves = figureCurves(many, firstView(9));
    expect(curves[8]!.tone).toBe(curves[0]!.tone);
    expect(new Set(curves.map(({ tone, look }) => `${tone} ${look}`)).size).toBe(9);
  });
});
