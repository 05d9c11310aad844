/** `plan NAME of MODEL on DEVICE { … }`: the published runs in specs/ hold, and what is wrong is said. */
import { expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { planFacts } from "../../../compiler/2-check/plan-fields.ts";
import { publishedRuns } from "../../../compiler/planner/published-runs.ts";
import { checkWithPlans, type CheckedWithPlans } from "../../../compiler/planner/judge-plans.ts";
import { specs } from "../../support/sources.ts";

const model = `model m {
  vocab 64  context 128  width 64  layers 2  heads 4
  let rows = 4 * context
  embed token
  layer { x += attention(x)  x += mlp(x) }
  output linear(x)
}
`;
const judged = (plans: string, set = {}): CheckedWithPlans => checkWithPlans(model + plans, { set });
const codes = (plans: string): string[] => judged(plans).diagnostics.map(({ code }) => code);

/** Of the article's table, and what its plan has to expect. */
const article = {
  "gpt2-xl": "cost",
  "gpt3-175b": "flops hours cost",
  "gpt4-rumour-16x111b": "flops hours cost",
  "gpt4-rumour-8x220b": "flops",
  "llama3-8b": "hours cost",
  "llama3-70b": "hours cost",
  "llama3.1-8b": "hours cost",
  "llama3.1-70b": "hours cost",
  "llama3.1-405b": "flops hours cost",
} as const;

test("every row of the article's table has a plan that expects what was published, and all hold", () => {
  const all = specs.map(({ text }) => checkWithPlans(text));
  expect(all.flatMap(({ diagnostics }) => diagnostics)).toEqual([]);
  const plans = all.flatMap((checked) => checked.judged);
  expect(plans.length).toBe(plans.filter(({ facts }) => facts.every(({ isMet }) => isMet)).length);
  for (const [name, wanted] of Object.entries(article)) {
    const expected = plans
      .filter(({ block }) => block.model.name === name)
      .flatMap(({ facts }) => facts.map(({ fact }) => fact));
    for (const fact of wanted.split(" ")) expect(expected, name).toContain(fact);
  }
});

test("hours and operations of the table of published runs are expected by a plan", () => {
  const plans = specs.flatMap(({ text }) => checkWithPlans(text).judged);
  for (const { model: name, said } of publishedRuns)
    for (const { what, value } of said.filter((fact) => fact.what !== "dollars")) {
      const facts = plans.filter(({ block }) => block.model.name === name).flatMap((one) => one.facts);
      const expected = facts.filter(({ fact }) => fact === what).map((fact) => fact.expected / value);
      expect(
        expected.some((ratio) => Math.abs(ratio - 1) < 0.01),
        `${name}: ${what}`,
      ).toBe(true);
    }
});

test("a plan's arithmetic knows the model's sizes and lets, and what the plan says", () => {
  const { judged: all, diagnostics } = judged(
    "plan p of m on a100 { devices 2 * tensor  tensor 4  sequence context / 2  " +
      "batch_tokens 2 * rows  micro 8 }",
  );
  expect(diagnostics).toEqual([]);
  const { settings } = all[0]!.plan;
  expect(settings).toMatchObject({ devices: 8, tensor: 4, sequence: 64, micro: 8, accumulation: 1 });
});

test("an expectation is met within its tolerance: as a whole where it is a range", () => {
  const met = (expectation: string): boolean =>
    judged(`plan p of m on h100 { tokens 1e15  ${expectation} }`).judged[0]!.facts[0]!.isMet;
  const { run } = judged("plan p of m on h100 { tokens 1e15 }").judged[0]!.plan;
  expect(met(`expect flops ${run.sixND.toExponential()}`)).toBe(true);
  expect(met(`expect flops ${(1.02 * run.sixND).toExponential()}`)).toBe(false);
  expect(met(`expect flops ${(1.02 * run.sixND).toExponential()} ± 2%`)).toBe(true);
  const [low, high] = run.dollars!;
  const middle = (low + high) / 2;
  expect(met(`expect cost ${middle} ± 71%`)).toBe(true);
  expect(met(`expect cost ${middle} ± 60%`)).toBe(false);
  expect(met(`expect cost ${low} ± 1%`)).toBe(false);
});

test("every fact is found, and is what the plan says", () => {
  const expectations = planFacts.map((fact) => `expect ${fact} 1`).join("\n");
  const { facts, plan } = judged(`plan p of m on h100 { devices 8  price 2\n${expectations} }`).judged[0]!;
  const found = Object.fromEntries(
    facts.map(({ fact, found: [low, high] = [NaN, NaN] }) => [fact, [low, high]]),
  );
  expect(Object.keys(found)).toEqual(planFacts);
  expect(found["cost"]).toEqual(plan.run.dollars);
  expect(found["memory"]![0]).toBe(plan.memory.bytes);
  expect(found["step_seconds"]![0]).toBeCloseTo(plan.step.seconds, 9);
  for (const [fact, [low]] of Object.entries(found)) expect(low, fact).toBeGreaterThan(0);
});

test("a plan like another one has what that one says, but for what it says itself", () => {
  const plans = `plan a of m on a100 { devices 2 * tensor  tensor 4  micro 2  expect hours 1e9 }
    plan b like a { tensor 2 }
    plan c like b on h100 { micro 8 }`;
  const { judged: all, diagnostics } = judged(plans);
  expect(diagnostics.map(({ code }) => code)).toEqual(["E0703"]);
  expect(
    all.map(({ plan: { settings: s }, facts }) => [s.card.name, s.devices, s.tensor, s.micro, facts.length]),
  ).toEqual([
    ["a100", 8, 4, 2, 1],
    ["a100", 4, 2, 2, 0],
    ["h100", 4, 2, 8, 0],
  ]);
  expect(codes("plan a like b { }")).toEqual(["E0707"]);
  expect(codes("plan a of m on h100 { } plan b like a of n { }")).toEqual(["E0701"]);
  expect(codes("plan a like b { } plan b like a { }")).toEqual(["E0708", "E0708"]);
});

test("what is wrong is told with both places", () => {
  const plan = "plan p of m on h100 { tensor 8  devices 8 }";
  const [first, ...more] = judged(plan).diagnostics;
  expect([first!.code, more]).toEqual(["E0704", []]);
  const text = model + plan;
  const marked = ({ start, end }: { start: number; end: number }): string => text.slice(start, end);
  expect(marked(first!.span)).toBe("8");
  expect(first!.notes.map(({ text: said, span }) => [said, marked(span!)])).toEqual([
    ["heads is set here", "4"],
  ]);
});

test.each([
  ["plan p of n on h100 { }", "E0701"],
  ["plan p of m on h101 { }", "E0208"],
  ["plan p of m on h100 { precision bf17 }", "E0208"],
  ["plan p of m on h100 { layers 2 }", "E0202"],
  ["plan p of m on h100 { tensor 2 tensor 2 }", "E0206"],
  ["plan p of m on h100 { tensor 0 }", "E0204"],
  ["plan p of m on h100 { devices pipeline }", "E0210"],
  ["plan p of m on h100 { expect parameters 1 }", "E0403"],
  ["plan p of m on b200 { expect cost 1 }", "E0703"],
])("%s: %s", (plans, code) => {
  expect(codes(plans)).toEqual([code]);
});

test("published slips, written as plans, are refused by name", () => {
  const file = (name: string): string => specs.find((spec) => spec.file === `specs/${name}.sinter`)!.text;
  const said = (name: string, plan: string): string[] =>
    checkWithPlans(`${file(name)}\n${plan}`).diagnostics.map(({ code, text }) => `${code} ${text}`);
  // llm.c, script of 1558M: 6 · 1558e6 · 32e9 is 2.99e20
  expect(said("gpt2", "plan p of gpt2-xl on h100 { tokens 32e9  expect flops 6.966e20 }")).toEqual([
    "E0703 expected flops 6.97e20 ± 1 %, found 2.99e20",
  ]);
  // NVIDIA, 70B on 64 H100: 1,664 tokens a second are not 731 TFLOP/s
  const rate = 64 * 1664;
  const nvidia = `plan p of llama3-70b on h100 {
    devices 64  tensor 4  pipeline 8  sequence 8192  micro 1
    mfu 731 / 989.4  expect tokens_per_second ${rate}
  }`;
  expect(said("llama3", nvidia)).toEqual([expect.stringMatching(/^E0703 expected tokens_per_second 106 k/)]);
  // Llama 3, table 4: TP 8, CP 16, PP 16 and DP 4 are 8,192 devices of 16,384
  const llama = (shard: number): string => `plan p of llama3.1-405b on h100 {
    devices 16_384  tensor 8  pipeline 16  context 16  shard ${shard}  replicas 1  micro 1  sequence 131072
    recompute full  mfu 0.38
  }`;
  expect(said("llama3", llama(4 * 16))).toEqual([
    "E0704 tensor 8 × pipeline 16 × shard 64 × replicas 1 = 8192, not 16384 devices",
  ]);
  expect(said("llama3", llama(8 * 16))).toEqual([]);
});

test("other sizes from the command line: nothing is expected of another model", () => {
  expect(judged("plan p of m on h100 { expect hours 1e9 }", { width: "32" }).diagnostics).toEqual([]);
});

test("a plan that cannot be read takes nothing away from the models", () => {
  const { models, plans, diagnostics } = checkSource(`${model}plan p of m on h100 { tensor = = 3 }`);
  expect(diagnostics[0]!.code).toBe("E0102");
  expect(models.length).toBe(1);
  expect(plans).toEqual([]);
});

test("a model's facts may have a tolerance, too", () => {
  const of = (tolerance: string): string[] =>
    checkSource(model.replace("embed", `expect parameters 1e5${tolerance}\nembed`)).diagnostics.map(
      (d) => d.code,
    );
  const { parameters } = checkSource(model).summaries[0]!;
  const off = Math.ceil(Math.abs(parameters / 1e5 - 1) * 100);
  expect(of("")).toEqual(["E0401"]);
  expect(of(` ± ${off}%`)).toEqual([]);
});
