/** `hardware NAME { … }`: devices of a spec's own, what is wrong with them, and what plans make of them. */
import { expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { checkWithPlans, type CheckedWithPlans } from "../../../compiler/planner/judge-plans.ts";
import { comparedText } from "../../../compiler/planner/compare.ts";
import { originText } from "../../../compiler/planner/hardware-text.ts";
import { planJson, planRows, planTitle } from "../../../compiler/planner/plan-text.ts";
import type { TrainingPlan } from "../../../compiler/planner/plan.ts";
import { acceleratorNamed } from "../../../compiler/planner/tables/hardware.ts";
import { positionOf } from "../../../compiler/diagnostics/span.ts";

const model = `model m {
  vocab 64  context 128  width 64  layers 2  heads 4
  embed token
  layer { x += attention(x)  x += mlp(x) }
  output linear(x)
}
`;
const FIGURES = "memory 48e9  bandwidth 1e12  node 4  link 28e9  network 12.5e9  power 300";
const judged = (blocks: string): CheckedWithPlans => checkWithPlans(model + blocks);
const codes = (blocks: string): string[] => judged(blocks).diagnostics.map(({ code }) => code);
const plans = (blocks: string): readonly TrainingPlan[] => judged(blocks).judged.map(({ plan }) => plan);

test("a device of its own has what it says, and nothing else", () => {
  const [plan] = plans(`hardware c { fp16 200e12  ${FIGURES} }  plan p of m on c { }`);
  const { card, devices, precision } = plan!.settings;
  expect(devices).toBe(4); // one node
  expect(precision).toBe("fp16");
  expect(card).toMatchObject({
    name: "c",
    node: 4,
    own: { fields: ["fp16", ...FIGURES.match(/[a-z]+(?= )/g)!] },
  });
  expect(Object.keys(card.peak)).toEqual(["fp16"]);
  expect(card.memory).toEqual({ value: 48e9, source: "the spec", date: "" });
  expect(plan!.run.dollars).toBeUndefined();
  expect(planTitle(plan!)).toBe("m on 4 devices: c (figures of the spec)");
  expect(Object.fromEntries(planRows(plan!))["hardware"]).toBe(
    "c: fp16 200 TFLOP/s; 44.7 GiB at 1 TB/s; 4 in a node, 28 GB/s within, 12.5 GB/s between; 300 W " +
      "(all of it from the spec, not from the table)",
  );
});

test("one that is like another has the other's figures but for its own, its prices and its constants", () => {
  const [first, table, cheap] = plans(`hardware c like a100 { memory 40e9  power 2 * node  node 4 }
    hardware d like h100 { price 1.95  price_kind owned  price_year 2026 }
    plan p of m on c { devices 4 }  plan q of m on a100 { devices 4 }  plan r of m on d { }`);
  const a100 = acceleratorNamed("a100")!;
  expect(first!.settings.card).toMatchObject({
    peak: a100.peak,
    bandwidth: a100.bandwidth,
    power: { value: 8, source: "the spec" },
    own: { fields: ["memory", "node", "power"], like: "a100" },
  });
  // the same peak and rates: what an A100's steps come to, not an H100's
  expect(first!.step.seconds).toBe(table!.step.seconds);
  expect(cheap!.run.prices).toEqual([
    { dollars: 1.95, source: "hardware and energy, amortised", date: "2026" },
  ]);
  const [priced] = plans("hardware d like h100 { power 500 }  plan r of m on d { }");
  expect(priced!.run.prices.length).toBeGreaterThan(5);
});

test("a block with a name of the table stands for that device in this file, and plans say so", () => {
  const [plan, other] = plans(`hardware h100 { power 500 }
    hardware slow like h100 { bf16 500e12 }
    plan p of m on h100 { }  plan q of m on slow { }`);
  expect(plan!.settings.card.power.value).toBe(500);
  expect(planTitle(plan!)).toContain("NVIDIA H100 SXM 80 GB with figures of the spec");
  expect(originText(plan!.settings.card)).toBe("from the spec: power; the rest as NVIDIA H100 SXM 80 GB");
  expect(planJson(plan!)).toMatchObject({
    hardware: "h100",
    own_hardware: { figures_of_the_spec: ["power"], like: "h100", power: 500, memory: 80e9 },
  });
  // what another block says is this one's own, too
  expect(other!.settings.card.own).toEqual({ fields: ["bf16", "power"], like: "h100" });
  expect(originText(acceleratorNamed("h100")!)).toBe("NVIDIA H100 data sheet, 2023-03");
});

test("side by side, the figures' origin is a row where some are own", () => {
  const rows = (blocks: string): string =>
    comparedText(judged(blocks).judged.map(({ block: { name }, plan }) => ({ name, plan })));
  const block = `hardware c { bf16 200e12  ${FIGURES} }`;
  expect(rows(`${block} plan p of m on c { } plan q of m on h100 { }`)).toMatch(
    /^figures of the devices +of the spec +of the table$/m,
  );
  expect(rows("plan q of m on h100 { }")).not.toContain("figures");
});

test.each([
  ["hardware c { bf16 200e12 }", "E0711", "c", "memory, bandwidth, node, link, network, power"],
  [`hardware c { fp8 200e12  ${FIGURES} }`, "E0711", "c", "bf16"],
  ["hardware c like h100 { memry 80e9 }", "E0202", "memry", "hardware has no setting called `memry`"],
  ["hardware c like h100 { power 1 power 2 }", "E0206", "power", "power"],
  ["hardware c like h100 { } hardware c like a100 { }", "E0709", "c", "two hardware blocks called `c`"],
  ["hardware c like h101 { }", "E0208", "h101", "hardware cannot be `h101`"],
  ["hardware c like d { } hardware d like c { }", "E0710", "d", "`c` is like itself"],
  ["hardware c like h100 { memory 80 }", "E0204", "80", "at least 1_000_000 bytes, not 80"],
  ["hardware c like h100 { memory 80GB }", "E0106", "80GB", "in bytes, without a unit"],
  ["hardware c like h100 { power 500W }", "E0106", "500W", "without units"],
  ["hardware c like h100 { bf16 989 }", "E0204", "989", "operations per second, not 989"],
  ["hardware c like h100 { power 0 }", "E0204", "0", "more than 0 watts, not 0"],
  ["hardware c like h100 { bandwidth -1 }", "E0204", "-1", "bytes per second, not -1"],
  ["hardware c like h100 { price 0 }", "E0204", "0", "more than 0, not 0"],
  ["hardware c like h100 { node 1.5 }", "E0205", "1.5", "whole number"],
  ["hardware c like h100 { price_kind lent }", "E0208", "lent", "price_kind cannot be `lent`"],
  ["hardware c like h100 { power = 3 }", "E0102", "=", "value of `power`"],
  ["hardware c like h100 { power }", "E0109", "power", "power"],
  ["hardware my-card like h100 { } plan p of m on my-cart { }", "E0208", "my-cart", "`my-cart`"],
])("%s: %s at %s", (blocks, code, marked, said) => {
  const [first] = judged(blocks).diagnostics;
  const text = model + blocks;
  expect(first!.code).toBe(code);
  expect(text.slice(first!.span.start, first!.span.end)).toBe(marked);
  expect(positionOf(text, first!.span.start)).toMatchObject({ line: 7 });
  expect(first!.text).toContain(said);
});

test("a plan on a misspelt device of its own is helped; on a wrong one it is left alone", () => {
  const [unknown] = judged("hardware my-card like h100 { } plan p of m on my-cart { }").diagnostics;
  expect(unknown!.help).toBe("did you mean `my-card`?");
  const wrong = judged("hardware c { bf16 1e12 } plan p of m on c { }");
  expect(wrong.diagnostics.map(({ code }) => code)).toEqual(["E0711"]);
  expect(wrong.judged).toEqual([]);
  expect(wrong.models.length).toBe(1);
});

test("sizes with units are put right by their fix", () => {
  const fixOf = (written: string): string | undefined => {
    const [fix] = judged(`hardware c like h100 { memory ${written} }`).diagnostics[0]!.fixes!;
    return fix!.kind === "replace" ? fix!.text : undefined;
  };
  expect(fixOf("80GB")).toBe("80_000_000_000");
  expect(fixOf("3.5TB")).toBe("3_500_000_000_000");
  expect(fixOf("24GiB")).toBe("25_769_803_776");
});

test("what is broken takes nothing else away", () => {
  expect(codes("hardware c { bf16 = = 3 }")[0]).toBe("E0102");
  const { models, hardware } = judged("hardware c { bf16 = = 3 }\nhardware d like h100 { }");
  expect(models.length).toBe(1);
  expect([...hardware.keys()]).toEqual(["d"]);
});

test("blocks are laid out as plans are", () => {
  const text = "hardware c like h100 {power 500\n memory   40e9 price 2}";
  expect(format(model + text).text!.slice(format(model).text!.length + 1)).toBe(
    "hardware c like h100 {\n  power 500\n  memory 40e9   price 2\n}\n",
  );
});
