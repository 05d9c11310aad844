/** What the cost panel asks: models of specs, changed by sliders. */
import { expect, test } from "vitest";
import { costQuestions } from "../../../../app/playground/check/questions/cost.ts";
import { ratios } from "../../../../app/playground/panels/cost/sliders.ts";
import { shippedSpec } from "../../../support/paths.ts";

const text = shippedSpec("gpt2");
const ask = (changed = {}) => costQuestions.cost({ text, model: "gpt2-xl", changed, card: "h100" });

test("as the spec says, with what was published; in other sizes, without", () => {
  const own = ask()!;
  expect(own.estimate.parameters).toBe(1_557_611_200);
  expect(own.published?.said.length).toBeGreaterThan(0);
  const narrow = ask({ width: 800, layers: 24 })!;
  expect(narrow.sizes).toMatchObject({ width: 800, layers: 24, headDim: 64 });
  expect(narrow.estimate.parameters).toBeLessThan(own.estimate.parameters / 6);
  expect(narrow.published).toBeUndefined();
  expect(costQuestions.cost({ text, model: "other", card: "h100" })).toBeUndefined();
});

test("planned on so many devices, as the planner does: the fastest way that fits", () => {
  const plan = (model: string, devices: number, changed = {}) =>
    costQuestions.planned({ text, model, changed, card: "h100", devices, recompute: undefined });
  const made = plan("gpt2-xl", 8);
  if (!made || made === "none") throw new Error("it fits");
  expect(made.fits).toBe("fits");
  expect(made.memory.terms.reduce((sum, { bytes }) => sum + bytes, 0)).toBeCloseTo(made.memory.bytes, 0);
  const { head, rows } = made.choices;
  expect(head.slice(0, 3)).toEqual(["spread", "micro-batches", "recompute"]);
  expect(rows.length).toBeGreaterThan(2);
  expect(rows[0]!.at(-1)).toMatch(/^█+·* \d+ % memory$/);
  expect(made.run.dollars![1]).toBeGreaterThan(made.run.dollars![0]);
  expect(plan("gpt2-xl", 1, { width: 16_384 })).toBe("none");
  expect(plan("other", 8)).toBeUndefined();
});

test("devices of the text's own stand before those of the table", () => {
  const own = `${text}\nhardware small like h100 { memory 8e9 }\nhardware a100 { bf16 400e12 }\n`;
  const asked = { text: own, model: "gpt2-xl", card: "small" };
  const cost = costQuestions.cost(asked)!;
  expect(cost.ownCards.map(({ name }) => name)).toEqual(["rtx4090", "small", "a100"]);
  const names = cost.held.map(({ card }) => card.name);
  expect(names.slice(0, 4)).toEqual(["rtx4090", "small", "a100", "v100"]);
  expect(names.filter((name) => name === "a100").length).toBe(1);
  const plan = (card: string) => costQuestions.planned({ ...asked, card, devices: 1, recompute: undefined });
  expect(plan("small")).toBe("none");
  const made = plan("a100");
  if (!made || made === "none") throw new Error("it fits");
  expect(made.settings.card.peak.bf16!.value).toBe(400e12);
  // one that was there a moment ago
  expect(plan("gone")).toMatchObject({ settings: { card: { name: "h100" } } });
});

test("a slider's values rise by equal ratios, in whole steps", () => {
  const widths = ratios(64, 32_768, 6, 64);
  expect(widths[0]).toBe(64);
  expect(widths.at(-1)).toBe(32_768);
  expect(widths.every((width) => width % 64 === 0)).toBe(true);
  expect(widths.every((width, i) => i === 0 || width > widths[i - 1]!)).toBe(true);
  expect(ratios(1, 192, 8, 1).slice(0, 4)).toEqual([1, 2, 3, 4]);
});
