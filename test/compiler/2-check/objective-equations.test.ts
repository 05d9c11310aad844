/**
 * Equations of objectives: what they are about, what is refused and where, and that text reads as it is
 * printed.
 */
import { describe, expect, test } from "vitest";
import { parseOverride } from "../../../compiler/1-parse/parse.ts";
import { checkEquation, equationFrom } from "../../../compiler/2-check/objective-equations.ts";
import {
  objectiveFields,
  objectiveFrom,
  objectiveOf,
  objectives,
  type ObjectiveName,
} from "../../../compiler/2-check/objectives.ts";
import { printEquation } from "../../../compiler/2-check/print-equation.ts";

const names = Object.keys(objectives) as ObjectiveName[];
const fields = Object.keys(objectiveFields);
const read = (text: string) => {
  const complaints: string[] = [];
  const value = parseOverride({ name: "equation", text }, 0, (code) => complaints.push(code))!;
  const checked =
    value &&
    checkEquation(value, fields, ({ start, end }, what, help) =>
      complaints.push(`${text.slice(start, end)}: ${what}; ${help}`),
    );
  return { checked, complaints, value };
};

test.each(names)("%s is printed and read again as it is", (name) => {
  const { equation, metrics } = objectiveOf(name);
  for (const text of [equation, ...Object.values(metrics).map((m) => m.sum)]) {
    const once = equationFrom(text, fields);
    expect(equationFrom(printEquation(once.equation), fields)).toEqual(once);
  }
});

test("parentheses are printed where the meaning needs them", () => {
  for (const [text, printed] of [
    ["-(logp - (ref - old)) * 2", "-(logp - (ref - old)) * 2"],
    ["(logp / ref) / (old * beta)", "logp / ref / (old * beta)"],
    ["((logp + ref) + old)", "logp + ref + old"],
    ["logp + (ref + old)", "logp + (ref + old)"],
    ["-(-logp)", "-(-logp)"],
  ] as const)
    expect(printEquation(equationFrom(text, fields).equation)).toBe(printed);
});

describe("an equation is about tokens, answers or pairs", () => {
  test.each([
    ["-advantage * logp", "token"],
    ["-mean(logp)", "answer"],
    ["square(ratio / length) * label", "answer"],
    ["-logsigmoid(beta * (chosen.ratio - rejected.ratio)) + 0.1 * nll(chosen)", "pair"],
    ["nll(chosen)", "pair"],
    ["-sum(chosen.logp) + beta * rejected.score", "pair"],
  ] as const)("%s: %s", (text, unit) => {
    const { checked, complaints } = read(text);
    expect(complaints).toEqual([]);
    expect(checked?.unit).toBe(unit);
  });
});

describe("what does not fit is refused, with its place and a way out", () => {
  test.each([
    ["logp * mean(ref)", /^mean\(ref\): .*beside one of a whole answer; write `sum/],
    ["chosen.logp - rejected.logp", /tokens of two answers/],
    ["chosen.ratio - ratio", /does not say of which answer; write `chosen\.` or/],
    ["chosen.logp", /tokens of one answer of a pair; write `sum/],
    ["beta * 2", /says nothing of the model/],
    ["-logpp", /^logpp: .*did you mean `logp`/],
    ["mean(logsigmod(logp))", /^logsigmod: .*did you mean `logsigmoid`/],
    ["exp", /^exp: `exp` is a function/],
    ["best.ratio", /^best\.ratio: `best` is no answer of a pair/],
    ["min(logp)", /takes 2 numbers, not 1/],
    ["clip(x: logp)", /have no names here/],
    ["mean(mean(logp))", /one number of an answer already/],
    ["sum(beta)", /of a constant/],
    ["nll(logp)", /`nll` takes an answer of a pair/],
    ["logp % 2", /no remainders/],
    ["true * logp", /^true: `true` is no number/],
    ["ratoi", /did you mean `ratio`/],
  ])("%s", (text, complaint) => {
    const { checked, complaints } = read(text);
    expect(checked).toBeUndefined();
    expect(complaints.length).toBe(1);
    expect(complaints[0]).toMatch(complaint);
  });

  test("all mistakes are told at once", () => {
    expect(read("logpp * reff + log()").complaints.length).toBe(3);
  });
});

test("a spec's own objective has the settings that it names, and terms of tokens where they belong", () => {
  const { value } = read("-advantage * logp * exp(beta * old)");
  const fail = (): never => {
    throw new Error("refused");
  };
  const own = objectiveFrom("mine", value, fail, { kl: "k2", entropy: true })!;
  expect(own).toMatchObject({
    name: "mine",
    unit: "token",
    settings: { beta: 0.1, kl: 0, entropy_weight: 0 },
  });
  expect(Object.keys(own.metrics)).toEqual(["kl", "entropy"]);
  expect(objectiveOf("gspo", { kl: "k3" }).equation).toMatch(/\+ kl \* mean\(exp\(ref - logp\)/);
  expect(() => objectiveOf("dpo", { kl: "k1" })).toThrow("takes no terms of tokens");
});
