/**
 * The stages after pre-training in several memories: what is learnt, sampled and measured on the way is what
 * one memory gives, bit for bit.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import { sinter, trainSmall } from "../../support/command-line.ts";

const block = "steps 2  batch 4  context 32  eval_every 2  chat_format none";
const spec = `model base {
  vocab 256   context 32   width 32   layers 4   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 32  steps 2 }
  sft { ${block} }
  prefer { ${block} }
  reward { ${block} }
  rl { ${block}  prompts 2  group 2  answer 6  kl 0.1  truncated keep }
}
`;
const dir = mkdtempSync(join(tmpdir(), "sinter-divided-stages-"));
const path = (name: string): string => join(dir, name);

beforeAll(async () => {
  writeFileSync(path("base.sinter"), spec);
  const rows = Array.from({ length: 12 }, (_, i) => ({
    prompt: `say ${i}`,
    chosen: "aei",
    rejected: `${i}`,
  }));
  const lines = (all: readonly object[]): string => all.map((row) => `${JSON.stringify(row)}\n`).join("");
  writeFileSync(path("pairs.jsonl"), lines(rows));
  writeFileSync(
    path("answers.jsonl"),
    lines(rows.map(({ prompt, chosen }) => ({ prompt, completion: chosen }))),
  );
  await trainSmall(path("base.sinter"), path("base"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** The tensors of a run's newest checkpoint, as bytes behind its header. */
function tensors(name: string): Buffer {
  const newest = readdirSync(path(name))
    .filter((file) => file.startsWith("step-"))
    .toSorted()
    .at(-1)!;
  const bytes = readFileSync(join(path(name), newest));
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
}

/** What its log says, without what takes time. */
function events(name: string): unknown {
  const lines = readFileSync(join(path(name), "log.jsonl"), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => {
    const event = JSON.parse(line) as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(event).filter(([key]) => !/time|ms$|seconds|tokensPerSecond/i.test(key)),
    );
  });
}

test.each([
  ["sft", "answers.jsonl", []],
  ["prefer", "pairs.jsonl", []],
  ["prefer", "pairs.jsonl", ["--set", "objective=simpo"]],
  ["reward", "pairs.jsonl", []],
  ["rl", "answers.jsonl", ["--reward", "share_of:aeiou"]],
  ["rl", "answers.jsonl", ["--reward", "share_of:aeiou", "--set", "advantage=gae"]],
  ["rl", "answers.jsonl", ["--reward", "share_of:aeiou", "--lora", "2"]],
] as const)("%s, with %s %j", async (verb, data, more) => {
  const from = ["--from", path("base"), "--data", path(data), "--target", "simd", ...more];
  const learn = (out: string, ...flags: readonly string[]): Promise<string> =>
    sinter(verb, ...from, "--out", path(out), ...flags);
  const name = `${verb} ${more.join(" ")}`;
  await learn(`${name} whole`, "--workers", "1");
  await learn(`${name} divided`, "--workers", "2", "--memory-limit", "2MiB");
  const manifest = JSON.parse(
    readFileSync(join(path(`${name} divided`), "bundle", "manifest.json"), "utf8"),
  ) as Manifest;
  expect(manifest.modules.train!.parts?.length).toBeGreaterThan(1);
  expect(events(`${name} divided`)).toEqual(events(`${name} whole`));
  expect(tensors(`${name} divided`).equals(tensors(`${name} whole`))).toBe(true);
});
