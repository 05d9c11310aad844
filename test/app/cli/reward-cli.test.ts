/**
 * `sinter reward`: a head that begins at 0, is read where an answer ends, and counts from the chosen answers.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openReward } from "../../../app/cli/train/reward.ts";
import { winRate } from "../../../runtime/train/win-rate.ts";
import { scoredAtEnd } from "../../../runtime/train/sources/answer-rows.ts";
import { run, sinter, trainSmall } from "../../support/command-line.ts";

const spec = `model small {
  vocab 260   context 32   width 16   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 32  steps 3 }
}
`;
const pairs = Array.from({ length: 40 }, (_, i) => ({
  prompt: `say ${i}`,
  chosen: "yes",
  rejected: `no ${i}`,
}));
const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join("\n");

let at: string;
const path = (name: string): string => join(at, name);
const FLAGS = "--workers 1 --target simd".split(" ");
const reward = (out: string, data: string, ...more: readonly string[]): Promise<string> =>
  sinter("reward", "--from", path("base"), "--data", path(data), "--out", path(out), ...FLAGS, ...more);
const logOf = (name: string): readonly Record<string, unknown>[] =>
  readFileSync(join(path(name), "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

beforeAll(async () => {
  at = mkdtempSync(join(tmpdir(), "sinter-reward-"));
  writeFileSync(path("base.sinter"), spec);
  writeFileSync(path("pairs.jsonl"), lines(pairs));
  writeFileSync(path("margins.jsonl"), lines(pairs.map((pair) => ({ ...pair, margin: 2 }))));
  await trainSmall(path("base.sinter"), path("base"), "--steps", "3");
  await reward("judge", "pairs.jsonl", "--steps", "12", "--set", "lr=1e-2", "--set", "eval_every=6");
});
afterAll(() => rmSync(at, { recursive: true, force: true }));

test("it begins at ln 2, with no answer above the other, and learns", () => {
  const [first] = logOf("judge").filter(({ kind }) => kind === "eval");
  expect(first).toMatchObject({ eval_accuracy: 0, eval_margin: 0, eval_min_reward: 0, eval_max_reward: 0 });
  expect(first!["eval_loss"]).toBeCloseTo(Math.LN2, 6);
  const last = logOf("judge").findLast(({ kind }) => kind === "eval")!;
  expect(Number(last["eval_accuracy"])).toBeGreaterThan(0.9);
  const [min, mean, max] = ["min", "mean", "max"].map((name) => Number(last[`eval_${name}_reward`]));
  expect(min!).toBeLessThan(mean!);
  expect(mean!).toBeLessThan(max!);
});

test("eval tells how often the chosen answer wins, of its own pairs and of others", async () => {
  const own = JSON.parse(await sinter("eval", path("judge"), "--json", ...FLAGS)) as Record<string, number>;
  expect(own).toMatchObject({ win_rate: 1, ties: 0, part: "held-out" });
  expect(own["win_rate_low"]).toBeLessThan(1);
  const swapped = pairs.map(({ prompt, chosen, rejected }) => ({
    prompt,
    chosen: rejected,
    rejected: chosen,
  }));
  writeFileSync(path("swapped.jsonl"), lines(swapped));
  const args = ["--data", path("swapped.jsonl"), "--json", ...FLAGS];
  expect(JSON.parse(await sinter("eval", path("judge"), ...args))).toMatchObject({ win_rate: 0, pairs: 40 });
});

test("rewards count from the chosen answers (thread 28), read at an answer's end (thread 23)", async () => {
  const scale = JSON.parse(readFileSync(join(path("judge"), "reward.json"), "utf8")) as Record<
    string,
    number
  >;
  const io = { out: () => {}, err: () => {}, cwd: at, columns: 80, tty: false } as never;
  const open = await openReward(path("judge"), { workers: 1, target: "simd" }, io);
  try {
    const [end, prompt, answer] = [257, [256, 115, 97, 121, 257], [121, 101, 115]];
    const [alone] = await open.rewards([{ prompt, answer: [...answer, end] }]);
    const beside = await open.rewards([
      { prompt: [...prompt, end], answer: [110, 111, end] }, // the end's token stands in the prompt, too
      { prompt, answer: [...answer, end] },
    ]);
    expect(beside[1]).toBe(alone);
    expect(beside[0]).not.toBe(alone);
    const given = { row: 1, prompt: [{ role: "user", content: "say 1" }], columns: {} };
    const texts = ["yes", "no 7", "a very long answer ".repeat(5)].map((text) => ({ ...given, text }));
    const [yes, no, long] = await open.score(texts);
    expect(yes!).toBeGreaterThan(no!);
    expect(long).toBeNull();
    expect(scale["answers"]).toBeGreaterThan(0);
    expect(scale["std"]).toBeGreaterThan(0);
  } finally {
    await open.close();
  }
  expect(scoredAtEnd({ ids: [9, 5, 9, 7, 9, 3], learnt: [false, false, false, true, true, false] })).toEqual({
    ids: [9, 5, 9, 7, 9, 9],
    learnt: [false, false, false, false, false, true],
  });
});

test("margins stand in the rows", async () => {
  await reward("margins", "margins.jsonl", "--set", "objective=reward_margin", "--steps", "1");
  const [first] = logOf("margins").filter(({ kind }) => kind === "step");
  expect(first!["loss"]).toBeCloseTo(Math.log1p(Math.exp(2)), 5);
  const args = ["--from", path("base"), "--data", path("pairs.jsonl"), "--out", path("none")];
  const lacking = await run("reward", ...args, "--set", "objective=reward_margin");
  expect(lacking.code).toBe(1);
  expect(lacking.err).toContain("no row says it");
});

test("preferences are judged on pairs of the run's own and on others, beside its reference", async () => {
  const args = ["--from", path("base"), "--data", path("pairs.jsonl"), "--out", path("preferred"), ...FLAGS];
  await sinter("prefer", ...args, "--steps", "8", "--set", "lr=1e-2");
  const own = JSON.parse(await sinter("eval", path("preferred"), "--json", ...FLAGS)) as Record<
    string,
    number
  >;
  expect(own).toMatchObject({ win_rate: 1, ties: 0, part: "held-out" });
  const others = await sinter("eval", path("preferred"), "--data", path("pairs.jsonl"), "--json", ...FLAGS);
  expect(JSON.parse(others)).toMatchObject({ win_rate: 1, ties: 0, part: "all" });
});

test("a win rate has Wilson's interval, and ties apart", () => {
  const margins = [...Array<number>(8).fill(1), -1, -1, 0];
  const { rate, low, high, ties, pairs: count } = winRate(margins);
  expect([rate, ties, count]).toEqual([0.8, 1, 11]);
  expect(low).toBeCloseTo(0.4902, 4);
  expect(high).toBeCloseTo(0.9433, 4);
});
