/** report.html of a chain of stages: its cards, metrics, bounds, answers before and after, earlier curves. */
import { describe, expect, test } from "vitest";
import { largestObjective } from "../../../runtime/report/bounds.ts";
import { briefed, type ReportStage } from "../../../runtime/report/chain.ts";
import { htmlReport } from "../../../runtime/report/training-page.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { bestObjective, bestShare, leastDivergence } from "../../../runtime/train/rl/divergence.ts";
import { chainOf } from "../../support/chain-events.ts";

const { base, sft, rl } = chainOf(200);
const facts = { ...rl.facts, parameters: 1000, target: "simd", workers: 2, kl: 0.2 };
const html = htmlReport(facts, rl.events, [base, sft]);

test("a card for each stage: data, steps, what was taken on, held-out figures", () => {
  const cards = html.match(/<li.*?<\/li>/gs)!;
  expect(cards).toHaveLength(3);
  expect(cards[0]).toMatch(/<b>train<\/b><span>built-in text<\/span><span>200 steps<\/span>/);
  expect(cards[1]).toContain("200 steps, step 150 went on");
  expect(cards[1]).toMatch(/held-out loss 4\.\d+ → 1\.\d+/);
  expect(cards[2]).toMatch(/aria-current="step".*held-out reward 0\.3000 → 0\.9/s);
  expect(htmlReport(facts, rl.events)).not.toContain("<li");
});

test("a reward model has a card; nothing goes on with its weights, but with those before it", () => {
  const judged = { reward: 0.4, accuracy: 0.9 };
  const events = sft.events.map((e) => (e.kind === "eval" ? { ...e, metrics: judged } : e));
  const judge = {
    facts: { ...sft.facts, stage: "reward", data: "choices.jsonl", role: "judge" },
    events,
  } as const;
  const cards = htmlReport(facts, rl.events, [base, sft, judge]).match(/<li.*?<\/li>/gs)!;
  expect(cards).toHaveLength(4);
  expect(cards[1]).toContain("200 steps, step 150 went on");
  expect(cards[2]).toMatch(/<b>reward<\/b><span>choices.jsonl<\/span><span>200 steps<\/span>/);
  expect(cards[2]).toMatch(/held-out accuracy 0\.9/);
});

test("metrics that are read together share a chart; every name is there once", () => {
  const titles = [...html.split("Earlier stages")[0]!.matchAll(/class="title">([^<]+)</g)].map((m) => m[1]);
  expect(titles).toContain("completions/min, mean, max_length");
  expect(titles).toContain("reward");
  expect(new Set(titles).size).toBe(titles.length);
});

test("thread 18: of policy gradients the reward comes first, and the loss is no figure", () => {
  const titles = [...html.matchAll(/class="title">([^<]+)</g)].map((m) => m[1]!);
  expect(titles.indexOf("reward")).toBeLessThan(titles.indexOf("Loss"));
  expect(html).toMatch(/<dt>reward<\/dt><dd>0\.9/);
  expect(html).not.toContain("<dt>training loss</dt>");
  expect(html.match(/<li aria-current.*?<\/li>/s)![0]).not.toContain("loss");
});

test("thread 13: chosen answers that become less likely are explained, and those that do not are not", () => {
  const logps = (end: number): TrainEvent[] =>
    sft.events.map((e) =>
      e.kind === "step"
        ? { ...e, metrics: { "logps/chosen": -20 + (end * e.step) / 200, "rewards/margins": 0.2 } }
        : e,
    );
  const said = (end: number): string => htmlReport({ ...facts, stage: "prefer" }, logps(end));
  expect(said(-8)).toMatch(/less likely, by [67]\.\d nats each\. .*rewards\/margins.*<code>nll<\/code>/s);
  for (const end of [4, -0.5]) expect(said(end)).not.toContain("less likely");
});

describe("bounds", () => {
  test("the share before says the largest objective, as all rewards of the reference do", () => {
    for (const kl of [1, 0.5, 0.2, 0.01]) {
      const rewards = Array.from({ length: 10 }, (_, i) => (i < 3 ? 1 : 0));
      expect(largestObjective(0.3, kl)).toBeCloseTo(bestObjective(rewards, kl), 9);
      const share = bestShare(0.3, kl);
      if (kl >= 0.2)
        // the policy that reaches it is on both bounds
        expect(share - kl * leastDivergence(share, 0.3)).toBeCloseTo(largestObjective(0.3, kl), 9);
    }
  });
  test("are drawn beside what was measured, and how much of it was reached", () => {
    expect(html).toContain("most possible, J*");
    expect(html).toContain("least possible, d(p‖a)");
    const reached = Number(/held out: (\d+) % of what this weight allows/.exec(html)![1]);
    expect(reached).toBeGreaterThan(0);
    expect(reached).toBeLessThanOrEqual(100);
  });
  test("are left out where nothing says what was right before", () => {
    const late = rl.events.filter((e) => e.kind !== "eval" || e.step > 0);
    expect(htmlReport(facts, late)).not.toContain("possible");
  });
});

test("answers stand beside those before training, and are escaped", () => {
  expect(html).toContain("Answers, before and after");
  const [answer] = html.match(/<figure class="answers">.*?<\/figure>/s)!;
  expect(answer).toMatch(/What is 2 \+ 3\?.*step 0.*&#60;i&#62;.*step 200.*5/s);
});

test("the curves of earlier stages are below, in fewer points", () => {
  expect(html.match(/<details>/g)).toHaveLength(2);
  const many = chainOf(1000).base.events;
  const few = briefed(many);
  const steps = few.filter((e) => e.kind === "step");
  expect(steps).toHaveLength(300);
  expect(steps.at(-1)!.step).toBe(1000);
  const mean = (events: readonly TrainEvent[]): number => {
    const losses = events.flatMap((e) => (e.kind === "step" ? e.loss : []));
    return losses.reduce((a, b) => a + b, 0) / losses.length;
  };
  expect(mean(few)).toBeCloseTo(mean(many), 1);
  expect(few.filter((e) => e.kind === "eval")).toEqual(many.filter((e) => e.kind === "eval"));
  expect(briefed([])).toEqual([]);
});

test("a stage without a log, as an imported model is, has its card and no curves", () => {
  const imported: ReportStage = { facts: { ...base.facts, stage: "import" }, events: [] };
  const page = htmlReport(facts, [], [imported]);
  expect(page).toContain("<b>import</b>");
  expect(page).not.toMatch(/NaN|undefined|Infinity|<details/);
});
