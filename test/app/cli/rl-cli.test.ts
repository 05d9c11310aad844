/** `sinter rl`: from a run to one that has learnt from rewards; what it records, and how it goes on. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, sinter, trainSmall } from "../../support/command-line.ts";

const spec = `model base {
  vocab 256   context 16   width 16   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 16  steps 2 }
  rl { prompts 2  group 2  batch 4  answer 4  kl 0.1  target 0.5  horizon 20  truncated keep  lr 0.01
       steps 4  eval_every 2  chat_format none }
}
`;
let at: string;
const path = (name: string): string => join(at, name);
const rl = (out: string, workers: number, ...more: readonly string[]): Promise<string> => {
  const flags = ["--workers", `${workers}`, "--target", "simd", "--reward", "share_of:aeiou"];
  const from = ["--from", path("base"), "--data", path("prompts.jsonl")];
  return sinter("rl", ...from, "--out", path(out), ...flags, ...more);
};
const goOn = (out: string): Promise<string> =>
  sinter("rl", "--resume", "--out", path(out), "--workers", "1", "--steps", "4");
const logOf = (name: string): readonly Record<string, unknown>[] =>
  readFileSync(join(path(name), "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const newest = (name: string): Buffer => {
  const files = readdirSync(path(name)).filter((file) => file.startsWith("step-"));
  return readFileSync(join(path(name), files.toSorted().at(-1)!));
};

beforeAll(async () => {
  at = mkdtempSync(join(tmpdir(), "sinter-rl-"));
  writeFileSync(path("base.sinter"), spec);
  const rows = Array.from({ length: 20 }, (_, i) => JSON.stringify({ prompt: `say ${i}`, answer: `${i}` }));
  writeFileSync(path("prompts.jsonl"), rows.join("\n"));
  writeFileSync(
    path("judge.mjs"),
    "export default (prompt, answer, row) => (row.answer === '3' ? null : 1);",
  );
  await trainSmall(path("base.sinter"), path("base"), "--steps", "2");
});
afterAll(() => rmSync(at, { recursive: true, force: true }));

test("a run says what it learnt from; resumed, with other workers, it has the same bits", async () => {
  const out = await rl("whole", 1);
  expect(out).toContain("20 rows of prompts (prompt); only their prompts are used");
  expect(out).toMatch(/reference: the weights that it begins with, [0-9.]+ KiB beside the model/);
  const steps = logOf("whole").filter(({ kind }) => kind === "step");
  expect(steps).toHaveLength(4);
  for (const step of steps)
    for (const name of [
      "reward",
      "reward_std",
      "rewards/share_of/mean",
      "kl",
      "objective/kl",
      "entropy",
      "ratio",
    ])
      expect(step[name], name).toBeTypeOf("number");
  // before anything is learnt, and within each step's first update
  expect(steps[0]!["objective/kl"]).toBe(0);
  expect(steps.map((step) => step["ratio"])).toEqual([1, 1, 1, 1]);
  expect(steps[0]!["kl_coef"]).not.toBe(steps[1]!["kl_coef"]);
  const evaluations = logOf("whole").filter(({ kind }) => kind === "eval");
  expect(evaluations.at(-1)!["eval_reward"]).toBeTypeOf("number");
  expect(evaluations.at(-1)!["eval_exact_kl"]).toBeGreaterThan(0);

  // what eval says of the best weights is what was measured when they were saved
  const best = evaluations.reduce((a, b) => (Number(b["eval_reward"]) > Number(a["eval_reward"]) ? b : a));
  const said = JSON.parse(await sinter("eval", path("whole"), "--json")) as Record<string, number>;
  expect(said["step"]).toBe(best["step"]);
  for (const name of ["reward", "objective/kl", "exact_kl", "completions/mean_length"])
    expect(said[name], name).toBeCloseTo(Number(best[`eval_${name}`]), 6);
  const text = await sinter("eval", path("whole"), "--part", "train", "--answers", "3");
  expect(text).toMatch(/^reward 0\.\d+ \(0\.\d+ of the likeliest answers\)/m);
  expect(text).toMatch(/^3 prompts \(training\), 2 answers each, step \d+$/m);

  await rl("parts", 2, "--steps", "2", "--set", "warmup=0", "--set", "schedule=constant");
  await rl("again", 1, "--steps", "4", "--set", "warmup=0", "--set", "schedule=constant");
  await goOn("parts");
  expect(newest("parts").equals(newest("again"))).toBe(true);
  expect(readdirSync(path("parts"))).toContain("step-000000.safetensors");
});

test("a reward of one's own is a module that is named, and stays the same", async () => {
  const code = ["--reward-code", path("judge.mjs"), "--steps", "1"];
  const from = ["--from", path("base"), "--data", path("prompts.jsonl"), "--out", path("code")];
  await sinter("rl", ...from, "--target", "simd", "--workers", "1", ...code);
  expect(logOf("code")[0]).toHaveProperty("eval_rewards/judge/mean");
  writeFileSync(path("judge.mjs"), "export default () => 0;");
  const other = await run("rl", "--resume", "--out", path("code"), "--steps", "2");
  expect(other.code).toBe(1);
  expect(other.err).toContain("judge.mjs is not the reward that this run began with");
});

test("what is wrong is said before anything is compiled", async () => {
  const ask = (...more: readonly string[]) =>
    run("rl", "--from", path("base"), "--data", path("prompts.jsonl"), "--out", path("wrong"), ...more);
  expect((await ask("--reward", "accuracy")).err).toContain("there is no reward `accuracy`");
  expect((await ask("--set", "group=1", "--set", "prompts=4")).err).toContain("a group of 1");
  // thread 16: the sampler's cuts are not for learning, where what was drawn and what is learnt are one
  expect((await ask("--set", "top_k=5")).err).toContain("top_k");
  expect((await ask("--set", "answer=15")).err).toContain("leaves room for an answer of 15 tokens in 16");
  expect((await run("rl", "--data", path("prompts.jsonl"))).err).toContain("which model?");
});
