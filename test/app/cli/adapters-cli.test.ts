/** Runs with adapters: what they leave as it was, what is made of them, and what is refused. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isAdapter } from "../../../runtime/contract/parameter-names.ts";
import { readSafetensors } from "../../../runtime/store/safetensors.ts";
import { run, sinter, trainSmall } from "../../support/command-line.ts";

const at = mkdtempSync(join(tmpdir(), "sinter-adapters-"));
const path = (name: string): string => join(at, name);
afterAll(() => rmSync(at, { recursive: true, force: true }));

const spec = `model small {
  vocab 260   context 32   width 16   layers 2   heads 4   kv_heads 2
  embed token
  layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 24) }
  output linear(rmsnorm(x))
  tokenizer bytes
  train { batch 4  context 32  steps 3  lr 1e-2 }
  sft { steps 12  schedule constant  lr 2e-2  eval_every 6 }
}
`;
/** Flags that give the same bits everywhere. */
const FLAGS = "--workers 1 --target simd".split(" ");
const sft = (from: string, out: string, ...more: readonly string[]): Promise<string> =>
  sinter("sft", "--from", path(from), "--data", path("data.jsonl"), "--out", path(out), ...FLAGS, ...more);

/** The tensors of a run's checkpoint, as bytes: the first one, or the newest. */
function tensorsOf(name: string, which: "first" | "newest" = "newest"): Map<string, Buffer> {
  const found = readdirSync(path(name)).filter((file) => file.startsWith("step-"));
  const bytes = readFileSync(join(path(name), found.sort().at(which === "first" ? 0 : -1)!));
  const { tensors } = readSafetensors(bytes, name);
  return new Map([...tensors.values()].map((t) => [t.name, bytes.subarray(t.begin, t.end)]));
}

/** The log-probability of each greedy token. */
async function logprobs(name: string, ...more: readonly string[]): Promise<readonly number[]> {
  const flags = ["-p", "say 3", "--temp", "0", "-n", "8", "--logprobs", "0", "--json", ...FLAGS];
  const out = await sinter("sample", path(name), ...flags, ...more);
  const { tokens, logprobs: told } = JSON.parse(out) as { tokens: number[]; logprobs: { logprob: number }[] };
  return [...tokens, ...told.map(({ logprob }) => logprob)];
}
const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.max(Math.abs(a.length - b.length), ...a.map((value, i) => Math.abs(value - b[i]!)));

beforeAll(async () => {
  writeFileSync(path("base.sinter"), spec);
  const rows = Array.from({ length: 30 }, (_, i) => ({ prompt: `say ${i}`, completion: `it is ${i}` }));
  writeFileSync(path("data.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  await trainSmall(path("base.sinter"), path("plain"));
  await sft("plain", "base", "--steps", "2"); // a base that knows the tokens of turns
  cpSync(path("base"), path("moved"), { recursive: true });
  await sft("moved", "adapted", "--lora", "2", "--set", "save_every=6", "--keep", "9");
});

test("only adapters are trained; the rest has the base's bytes at the beginning and at the end", async () => {
  const base = tensorsOf("base");
  for (const which of ["first", "newest"] as const) {
    const tensors = tensorsOf("adapted", which);
    for (const [name, bytes] of base)
      if (!name.startsWith("moment")) expect(tensors.get(name)?.equals(bytes), name).toBe(true);
  }
  const first = tensorsOf("adapted", "first");
  const newest = tensorsOf("adapted");
  const adapters = [...first.keys()].filter(isAdapter);
  expect(adapters).toHaveLength(2 * 2 * 5); // A and B, layers, qkv out gate up down
  for (const name of adapters) {
    expect(newest.get(name)!.equals(first.get(name)!), name).toBe(false);
    if (name.endsWith("_b")) expect(first.get(name)!.every((byte) => byte === 0)).toBe(true);
  }
  expect([...newest.keys()].filter((name) => name.startsWith("moment1.")).length).toBe(adapters.length);
  const record = JSON.parse(readFileSync(join(path("adapted"), "run.json"), "utf8")) as object;
  expect(record).toMatchObject({ stage: { lora: { rank: 2, alpha: 4, on: ["all"] } } });
});

test("such a run needs nothing of its base's folder, and goes on bit for bit", async () => {
  await sft("moved", "half", "--lora", "2", "--steps", "5");
  rmSync(path("moved"), { recursive: true });
  await sinter("sft", "--resume", "--out", path("half"), "--steps", "12", ...FLAGS);
  for (const [name, bytes] of tensorsOf("adapted"))
    expect(tensorsOf("half").get(name)!.equals(bytes), name).toBe(true);
  expect(await logprobs("half")).toEqual(await logprobs("adapted"));
});

describe("merged", () => {
  test("adapters answer as they do beside their maps: in another module, in an export", async () => {
    const beside = await logprobs("adapted");
    expect(apart(beside, await logprobs("base"))).toBeGreaterThan(0.01);
    expect(apart(beside, await logprobs("adapted", "--weights", "f32"))).toBeLessThan(1e-5);
    await sinter("export", path("adapted"), "--to", "hf", "--dtype", "f32", "-o", path("merged-hf"));
    await sinter("import", path("merged-hf"), "-o", path("merged"), "--target", "simd");
    expect(apart(beside, await logprobs("merged"))).toBeLessThan(1e-5);
  });

  test("thread 11: they are part of what the next run begins with, whose own begin at nothing", async () => {
    await sft("adapted", "second", "--lora", "3", "--steps", "0");
    await sft("adapted", "full", "--steps", "0");
    const name = "layers.0.attention.qkv";
    const second = tensorsOf("second");
    expect(second.get(`${name}.weight`)!.equals(tensorsOf("adapted").get(`${name}.weight`)!)).toBe(false);
    expect(second.get(`${name}.lora_b`)!.every((byte) => byte === 0)).toBe(true);
    expect([...tensorsOf("full").keys()].some(isAdapter)).toBe(false);
    expect(await logprobs("second")).toEqual(await logprobs("full")); // step 0 has the bits of the base (X17)
    expect(apart(await logprobs("second"), await logprobs("adapted"))).toBeLessThan(1e-5);
  });
});

test("thread 11: preferences are compared with the start of their own run", async () => {
  const rows = [1, 2, 3, 4, 5, 6].map((i) => ({ prompt: `say ${i}`, chosen: `it is ${i}`, rejected: "no" }));
  writeFileSync(path("pairs.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const asked = ["--data", path("pairs.jsonl"), "--lora", "2", "--steps", "2", "--set", "held_out=0"];
  await sinter("prefer", "--from", path("adapted"), "--out", path("preferred"), ...asked, ...FLAGS);
  const log = readFileSync(join(path("preferred"), "log.jsonl"), "utf8")
    .trim()
    .split("\n");
  const steps = log.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(steps.find(({ kind }) => kind === "step")).toMatchObject({
    loss: expect.closeTo(Math.LN2, 6) as unknown,
    "rewards/accuracies": 0, // X1
  });
});

describe("--adapter", () => {
  test("of a run, and of PEFT's folder: a base answers as the run does", async () => {
    await sinter("export", path("adapted"), "--to", "peft", "-o", path("peft"));
    const config = JSON.parse(readFileSync(join(path("peft"), "adapter_config.json"), "utf8")) as object;
    expect(config).toMatchObject({ peft_type: "LORA", r: 2, lora_alpha: 4, fan_in_fan_out: false });
    expect(config).toMatchObject({
      target_modules: ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
    });
    const wanted = await logprobs("adapted");
    const got = await logprobs("base", "--adapter", path("peft"));
    expect(apart(wanted, got)).toBeLessThan(1e-5);
    expect(await logprobs("base", "--adapter", path("adapted"))).toEqual(got);
  });

  test("X17: an import, whose rows of q and k were halves, gets the adapters of its twin", async () => {
    await sinter("export", path("base"), "--to", "hf", "--dtype", "f32", "-o", path("base-hf"));
    await sinter("import", path("base-hf"), "-o", path("twin"), "--target", "simd", "--dtype", "f32");
    await sft("twin", "twin-adapted", "--lora", "2", path("base.sinter"));
    await sinter("export", path("twin-adapted"), "--to", "peft", "-o", path("twin-peft"));
    const weights = (name: string): Buffer => readFileSync(join(path(name), "adapter_model.safetensors"));
    expect(weights("twin-peft").equals(weights("peft"))).toBe(true);
  });

  test("beside matrices of fewer bits", async () => {
    const dtype = ["--dtype", "q8_0", "--target", "simd"];
    await sinter("import", path("base-hf"), "-o", path("small"), ...dtype);
    await sft("small", "small-adapted", "--lora", "2", "--weights", "q8_0");
    const manifest = readFileSync(join(path("small-adapted"), "bundle", "manifest.json"), "utf8");
    expect(manifest).toContain('"format": "q8_0"');
    const [plain, adapted] = [await logprobs("small"), await logprobs("small-adapted")];
    const got = await logprobs("small", "--adapter", path("small-adapted"));
    expect(apart(got, plain)).toBeGreaterThan(0.05);
    expect(apart(got, adapted)).toBeLessThan(0.05);
  });

  test("another base, a run without adapters and a folder of something else are refused", async () => {
    const asked = (dir: string, adapter: string) => run("sample", path(dir), "--adapter", path(adapter));
    expect(await asked("plain", "adapted")).toMatchObject({
      code: 1,
      err: expect.stringContaining("the hash of its matrices differs") as unknown,
    });
    expect(await asked("base", "plain")).toMatchObject({
      code: 1,
      err: expect.stringContaining("has no adapters") as unknown,
    });
    expect(await asked("base", "base-hf")).toMatchObject({
      code: 1,
      err: expect.stringContaining("neither a run nor adapter_config.json") as unknown,
    });
  });
});

test("a base in fewer bits: learnt beside, resumed to the same bytes, and kept as it was", async () => {
  const q8 = ["--lora", "2", "--weights", "q8_0", "--set", "save_every=6", "--keep", "9"];
  expect(await sft("base", "thin", ...q8)).toContain("stay as they are, matrices in q8_0");
  const whole = tensorsOf("thin");
  const matrix = "layers.0.swiglu.up.weight";
  expect(whole.get(matrix)!.equals(tensorsOf("base").get(matrix)!), "rounded to q8_0").toBe(false);
  await sft("base", "thin-half", ...q8, "--steps", "5");
  expect(whole.get(matrix)!.equals(tensorsOf("thin-half").get(matrix)!)).toBe(true);
  await sinter("sft", "--resume", "--out", path("thin-half"), ...FLAGS, "--steps", "12");
  for (const [name, bytes] of tensorsOf("thin-half")) expect(bytes.equals(whole.get(name)!), name).toBe(true);
  expect(apart(await logprobs("thin"), await logprobs("adapted"))).toBeLessThan(0.2);

  // weights that come in q8_0 are taken as they are
  await sft("small", "small-thin", ...q8, "--steps", "1");
  const came = tensorsOf("small-adapted", "first");
  for (const [name, bytes] of tensorsOf("small-thin"))
    if (!isAdapter(name) && !name.startsWith("moment"))
      expect(bytes.equals(came.get(name)!), name).toBe(true);

  const refused = await run("sft", "--from", path("base"), "--weights", "q8_0", "--out", path("none"));
  expect(refused.err).toContain("it goes with --lora");
});

test("thread 27: rows of tokens that are new are trained beside the adapters", async () => {
  const out = await sft("plain", "grown", "--lora", "2", "--steps", "2");
  expect(out).toContain(
    "trained whole, for tokens that are new: token_embedding.weight, output.linear.weight",
  );
  const [before, after] = [tensorsOf("grown", "first"), tensorsOf("grown")];
  for (const name of ["token_embedding.weight", "output.linear.weight"])
    expect(after.get(name)!.equals(before.get(name)!), name).toBe(false);
  const name = "layers.0.swiglu.up.weight";
  expect(after.get(name)!.equals(before.get(name)!)).toBe(true);
  await sinter("export", path("grown"), "--to", "peft", "-o", path("grown-peft"));
  const wanted = await logprobs("grown");
  expect(apart(wanted, await logprobs("plain", "--adapter", path("grown-peft")))).toBeLessThan(1e-5);
});
