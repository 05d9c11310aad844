/** Built-in rewards on small answers, and what is said where a row or a name is wrong. */
import { expect, test } from "vitest";
import {
  builtInForms,
  builtInReward,
  scoreAnswers,
  splitWeight,
} from "../../../../runtime/train/rewards/read-reward.ts";
import { ruleReward, type GivenAnswer } from "../../../../runtime/train/rewards/reward.ts";

const answered = (text: string, columns: GivenAnswer["columns"] = {}, row = 1): GivenAnswer => ({
  row,
  prompt: [
    { role: "system", content: "Be short." },
    { role: "user", content: "2 + 2 =" },
  ],
  text,
  columns,
});

const scoreOf = async (name: string, text: string, columns?: GivenAnswer["columns"]) =>
  (await builtInReward(name)!.score([answered(text, columns)]))[0];

test.each<[name: string, answer: string, columns: GivenAnswer["columns"], score: number]>([
  ["exact_answer", " 4\n", { answer: "4" }, 1],
  ["exact_answer", "4", { answer: 4 }, 1],
  ["exact_answer", "4.", { answer: "4" }, 0],
  ["exact_answer", "4", { solution: "4" }, 1],
  ["gsm8k", "So 1,200 #### 1200", { answer: "600 twice\n#### 1,200" }, 1],
  ["gsm8k", "#### -3.5.", { answer: "#### -3.5" }, 1],
  ["gsm8k", "It is 1200", { answer: "#### 1200" }, 0],
  ["regex:^[0-9]+$", "42", {}, 1],
  ["regex:^[0-9]+$", "42!", {}, 0],
  ["regex:a:b", "xa:by", {}, 1],
  ["contains:four", "It is four.", {}, 1],
  ["contains", "It is 4.", { answer: "4" }, 1],
  ["contains", "It is 5.", { answer: "4" }, 0],
  ["json", '{"a": [1]}', {}, 1],
  ["json", "{a: 1}", {}, 0],
  ["length:4", "vier", {}, 1],
  ["length:4", "ab", {}, 0.5],
  ["length:4", "a".repeat(40), {}, 0],
  ["length:2", "𝒳𝒴", {}, 1],
  ["share_of:aeiou", "banana", {}, 0.5],
  ["share_of:aeiou", "", {}, 0],
])("%s of %j", async (name, answer, columns, score) => {
  expect(await scoreOf(name, answer, columns)).toBe(score);
});

test("names that are wrong", () => {
  expect(builtInReward("accuracy")).toBeUndefined();
  expect(builtInReward("toString")).toBeUndefined();
  expect(() => builtInReward("regex")).toThrow("reward regex: it lacks its PATTERN");
  expect(() => builtInReward("regex:(")).toThrow("reward regex:(: Invalid regular expression");
  expect(() => builtInReward("length:0")).toThrow("N is a whole number from 1");
  expect(() => builtInReward("json:a")).toThrow("nothing stands behind json");
  expect(builtInForms).toContain("contains[:TEXT]");
});

test("a weight stands before a reward", () => {
  expect(splitWeight("json")).toEqual({ weight: 1, text: "json" });
  expect(splitWeight("0.5*regex:a*b")).toEqual({ weight: 0.5, text: "regex:a*b" });
  expect(splitWeight("-2 * length:4")).toEqual({ weight: -2, text: "length:4" });
  expect(splitWeight("regex:2*x")).toEqual({ weight: 1, text: "regex:2*x" });
});

test("what is wrong with a row is said with its number", async () => {
  const reward = builtInReward("exact_answer")!;
  const answers = [answered("4", { answer: "4" }), answered("4", { prompt: "2 + 2 =" }, 7)];
  await expect(reward.score(answers)).rejects.toThrow(/^reward exact_answer, row 7: it has no answer/);
  await expect(scoreOf("gsm8k", "#### 4", { answer: "4" })).rejects.toThrow(
    "row 1: its answer has no number",
  );
});

test("a rule is told what was said last, the answer and all columns; its score is checked", async () => {
  const heard: unknown[] = [];
  const rule = ruleReward("rule", (...told) => {
    heard.push(told);
    return 1;
  });
  expect(await rule.score([answered("4", { prompt: "2 + 2 =", level: 3 })])).toEqual([1]);
  expect(heard).toEqual([["2 + 2 =", "4", { prompt: "2 + 2 =", level: 3 }]]);
  const wrong = (value: unknown) => ruleReward("rule", () => value as number).score([answered("4", {}, 3)]);
  await expect(wrong(NaN)).rejects.toThrow("row 3: it is NaN, not a finite number");
  await expect(wrong("1")).rejects.toThrow('reward rule, row 3: it is "1", not a finite number');
  await expect(wrong(undefined)).rejects.toThrow("row 3: it is undefined");
  const throwing = ruleReward("rule", () => {
    throw new Error("no such column");
  });
  await expect(throwing.score([answered("4", {}, 3)])).rejects.toThrow("reward rule, row 3: no such column");
});

test("several rewards are summed by their weights; null is no score", async () => {
  const onlyOdd = ruleReward("odd", (_prompt, answer) => (Number(answer) % 2 === 1 ? 1 : null));
  const { total, each } = await scoreAnswers(
    [
      { reward: onlyOdd, weight: 0.5 },
      { reward: ruleReward("three", (_prompt, answer) => (answer === "3" ? 4 : null)), weight: 2 },
    ],
    [answered("1"), answered("2"), answered("3")],
  );
  expect(total).toEqual([0.5, null, 8.5]);
  expect(each).toEqual([
    { name: "odd", scores: [1, null, 1] },
    { name: "three", scores: [null, null, 4] },
  ]);
});
