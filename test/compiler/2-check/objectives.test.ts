/** `objective` and `head` in a spec: what the checked model has of them, and what a module makes of it. */
import { expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { planModule } from "../../../compiler/compile.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { whole } from "../../support/sources.ts";

function model(fragment: string): Model {
  const { models, diagnostics } = checkSource(whole(fragment));
  expect(diagnostics).toEqual([]);
  return models.at(-1)!;
}
const wrong = (fragment: string): readonly string[] =>
  checkSource(whole(fragment)).diagnostics.map(({ code, text }) => `${code} ${text}`);

const mine = "objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio)) + 0.1 * nll(chosen)";

test("an objective of a spec's own is one that a module can be compiled for", () => {
  const of = model(mine);
  expect(of.objectives).toMatchObject([{ name: "mine", unit: "pair", settings: { beta: 0.1 } }]);
  const train = { ...of.train, batch: 2 };
  const { placement } = planModule({ ...of, train }, "train", { objective: of.objectives![0] });
  expect([...placement.persistent.keys()]).toEqual(
    expect.arrayContaining(["reference_logprobs", "objective"]),
  );
  expect(model("").objectives).toBeUndefined();
});

test("a model that is like another has its objectives and its head, unless it says others", () => {
  const text = `${whole(`${mine}\nhead value linear(x, bias: true)`)}
    model other like ${model("").name} { objective mine = -mean(logp)  objective second = -logp }`;
  const { models, diagnostics } = checkSource(text);
  expect(diagnostics).toEqual([]);
  const [first, second] = models.slice(-2);
  expect(first!.objectives!.map((o) => [o.name, o.unit])).toEqual([["mine", "pair"]]);
  expect(second!.objectives!.map((o) => [o.name, o.unit])).toEqual([
    ["mine", "answer"],
    ["second", "token"],
  ]);
  expect(second!.head).toEqual({ name: "value", bias: true });
});

test("a head has the width that the output's map reads, and counts as parameters", () => {
  const plain = checkSource(whole("")).summaries.at(-1)!;
  const { summaries } = checkSource(whole("head value linear(x, bias: true)"));
  const { width } = model("").sizes;
  expect(summaries.at(-1)!.parameters).toBe(plain.parameters + width + 1);
  expect(
    planModule(model("head score linear(x)"), "train").placement.persistent.has("head.score.weight"),
  ).toBe(true);
});

test("what does not fit is told once, with a way out", () => {
  expect(wrong(`${mine}\n${mine}`)).toEqual([expect.stringContaining("E0206")]);
  expect(wrong("head value mlp(x)")).toEqual(["E0603 a head is a linear map"]);
  expect(wrong("head value linear(y)")).toEqual([expect.stringContaining("E0603 a head reads `x`")]);
  expect(wrong("head a linear(x)\nhead b linear(x)")).toEqual([expect.stringContaining("E0206")]);
});

test("layout: an equation stays one, and `head` and `objective` are names elsewhere", () => {
  const text = format(
    "model m{context 16 head value   linear( x,bias:true )\nobjective a=-mean( chosen . logp )}",
  ).text!;
  expect(text).toContain("head value linear(x, bias: true)");
  expect(text).toContain("objective a = -mean(chosen.logp)");
  expect(model("let head = 3\nlet objective = head * 2").name).toBe(model("").name);
});
