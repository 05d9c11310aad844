/**
 * `sinter export --to torch`: the program passes its own tests, a run that was begun here goes on there with
 * the same losses, and what is no model is refused.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, sinter, trainSmall } from "../../support/command-line.ts";
import { readSafetensors } from "../../../runtime/store/safetensors.ts";
import { PYTHON, pythonHas } from "../../support/debian-python.ts";

const hasTorch = pythonHas("torch");
/** FSDP2 stands upon it. */
const canShard = pythonHas("torch.distributed.tensor");
const folder = mkdtempSync(join(tmpdir(), "sinter-torch-cli-"));
const path = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spec = (steps: number): string => `model small {
  vocab 256   context 32   width 32   layers 2   heads 4   kv_heads 2
  embed token
  layer {
    x += attention(rmsnorm(x), rope: rope(theta: 10000))
    x += attention(rmsnorm(x), bias: true)
    x += swiglu(rmsnorm(x), hidden: 48)
  }
  output linear(rmsnorm(x))
  tokenizer bytes
  train { batch 4  context 16  steps ${steps}  accumulate 2  lr 1e-2  warmup 0  schedule constant }
}
`;
const text = Array.from({ length: 400 }, (_, i) => `${i % 17} and ${i % 5} make ${(i % 17) + (i % 5)}.`).join(
  "\n",
);

/** The losses of a log's steps. */
function lossesOf(log: string): Map<number, number> {
  const lines = readFileSync(log, "utf8").trim().split("\n");
  const rows = lines.map((line) => JSON.parse(line) as { kind?: string; step: number; loss: number });
  return new Map(
    rows.filter(({ kind = "step" }) => kind === "step").map(({ step, loss }) => [step, loss] as const),
  );
}

/** The f32 tensors of a checkpoint. */
function numbersOf(bytes: Buffer): Map<string, Float32Array> {
  const { tensors } = readSafetensors(bytes, "");
  const values = [...tensors].map(([name, { begin, end }]) => {
    return [name, new Float32Array(Uint8Array.from(bytes.subarray(begin, end)).buffer)] as const;
  });
  return new Map(values);
}

/** The largest, beside the largest number that is wanted. */
function distance(found: Float32Array, wanted: Float32Array): number {
  const most = (of: (i: number) => number): number =>
    wanted.reduce((largest, _, i) => Math.max(largest, Math.abs(of(i))), 0);
  return (
    most((i) => found[i]! - wanted[i]!) /
    Math.max(
      1e-12,
      most((i) => wanted[i]!),
    )
  );
}

beforeAll(async () => {
  writeFileSync(path("text.txt"), text);
  for (const steps of [4, 12]) {
    writeFileSync(path(`${steps}.sinter`), spec(steps));
    await trainSmall(path(`${steps}.sinter`), path(`run-${steps}`), "--data", path("text.txt"));
  }
});

describe.skipIf(!hasTorch)("with PyTorch (Debian's python3-torch)", () => {
  test("a run goes on there: the same tokens in the same order, the same losses", async () => {
    await sinter("export", path("run-4"), "--to", "torch", "--data", path("text.txt"), "-o", path("program"));
    const args = [path("program/train.py"), "--data", path("program/tokens.bin"), "--steps", "8"];
    execFileSync(PYTHON, [...args, "--out", path("program/run")], { encoding: "utf8" });
    const [there, here] = [lossesOf(path("program/run/log.jsonl")), lossesOf(path("run-12/log.jsonl"))];
    expect([...there.keys()]).toEqual([5, 6, 7, 8]);
    for (const [step, loss] of there) expect(Math.abs(loss - here.get(step)!)).toBeLessThan(1e-5);
  });

  test.skipIf(!canShard).each([
    ["its rows (FSDP2)", "shared", []],
    [
      "its heads, columns and vocabulary (tensor parallelism)",
      "divided",
      ["--tensor", "2", "--loss-chunks", "3"],
    ],
  ])("two processes that divide %s learn the same, and it comes back", async (_, name, how) => {
    const [out, home] = [path(name), path(`run-${name}`)];
    cpSync(path("run-4"), home, { recursive: true });
    await sinter("export", home, "--to", "torch", "--data", path("text.txt"), "-o", out);
    const args = [join(out, "tokens.bin"), "2", "--mode", "fsdp", "--steps", "8", ...how];
    const env = { ...process.env, PYTHON };
    execFileSync("bash", [join(out, "run.sh"), ...args], { env, stdio: "pipe" });
    const [there, here] = [lossesOf(join(out, "run/log.jsonl")), lossesOf(path("run-12/log.jsonl"))];
    expect([...there.keys()]).toEqual([5, 6, 7, 8]);
    for (const [step, loss] of there) expect(Math.abs(loss - here.get(step)!)).toBeLessThan(1e-5);
    const back = ["import", join(out, "run"), "--back", "-o", home];
    expect((await run(...back)).err).toContain("weights.py joins it");
    const small = { ...env, MOST_BYTES: "20000" };
    execFileSync(PYTHON, [join(out, "weights.py"), join(out, "run")], { env: small, stdio: "pipe" });
    expect(existsSync(join(out, "run/model.safetensors.index.json"))).toBe(true);
    expect(await sinter(...back)).toContain("is at step 8 now");
  });

  test.skipIf(!canShard)("what does not divide is refused with what would", () => {
    const sizes = JSON.parse(readFileSync(path("divided/model.json"), "utf8")) as object;
    writeFileSync(path("divided/odd.json"), JSON.stringify({ ...sizes, padded_vocab: 257 }));
    const args = [path("divided/tokens.bin"), "2", "--mode", "fsdp", "--tensor", "2"];
    const more = ["--sizes", path("divided/odd.json"), "--out", path("odd")];
    const said = spawnSync("bash", [path("divided/run.sh"), ...args, ...more], {
      env: { ...process.env, PYTHON },
      encoding: "utf8",
    });
    expect(said.status).toBe(1);
    expect(said.stderr).toContain("2 does not divide the 257 rows of the tables; with padded_vocab 258");
    expect(said.stderr).not.toContain("Traceback");
  });

  test.skipIf(!canShard)("a model begins with the same weights, however many processes draw them", () => {
    const begun = (out: string, ...how: string[]): number => {
      const args = [path("divided/train.py"), "--data", path("divided/tokens.bin"), "--steps", "1"];
      execFileSync(PYTHON, [...args, "--out", path(out), ...how], { stdio: "pipe" });
      return lossesOf(path(`${out}/log.jsonl`)).get(1)!;
    };
    const alone = begun("begun-1");
    expect(alone).toBeGreaterThan(5);
    const four = begun("begun-4", "--processes", "4", "--mode", "fsdp", "--tensor", "2");
    expect(Math.abs(four - alone)).toBeLessThan(1e-5);
  });

  test("more than a file may have is a file for each layer, and an index", async () => {
    const [out, home] = [path("sharded"), path("run-sharded")];
    cpSync(path("run-4"), home, { recursive: true });
    await sinter("export", home, "--to", "torch", "--data", path("text.txt"), "-o", out);
    const learn = (steps: number, most?: number): void => {
      const args = [join(out, "train.py"), "--data", join(out, "tokens.bin"), "--steps", `${steps}`];
      const env = { ...process.env, ...(most !== undefined && { MOST_BYTES: `${most}` }) };
      execFileSync(PYTHON, args, { env, stdio: "pipe" });
    };
    const files = (): string[] =>
      readdirSync(join(out, "run")).filter((name) => name.includes("safetensors"));
    learn(6, 40_000);
    const found = files().filter((name) => name.endsWith(".safetensors"));
    expect(found.length).toBeGreaterThan(6);
    for (const name of found) {
      const { tensors } = readSafetensors(readFileSync(join(out, "run", name)), name);
      const layers = new Set([...tensors.keys()].map((key) => /layers\.(\d)/.exec(key)?.[1]));
      expect([...layers], name).toHaveLength(1);
      const bytes = [...tensors.values()].reduce((sum, { begin, end }) => sum + end - begin, 0);
      expect(bytes, name).toBeLessThanOrEqual(40_000);
    }
    expect(await sinter("import", join(out, "run"), "--back", "-o", home)).toContain("is at step 6 now");
    learn(8);
    expect(files().sort()).toEqual(["model.safetensors", "moments.safetensors"]);
    const [there, here] = [lossesOf(join(out, "run/log.jsonl")), lossesOf(path("run-12/log.jsonl"))];
    expect([...there.keys()]).toEqual([5, 6, 7, 8]);
    for (const [step, loss] of there) expect(Math.abs(loss - here.get(step)!)).toBeLessThan(1e-5);
  });

  test("it learns which of two answers is better: dpo begins at ln 2, and falls", () => {
    const pairs = Array.from({ length: 8 }, (_, i) => ({
      prompt: [97 + i, 32],
      chosen: [98 + i, 46, 10],
      rejected: [99 + i, 33, 33, 10],
    }));
    writeFileSync(path("pairs.jsonl"), pairs.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const args = [path("program/finetune.py"), "--data", path("pairs.jsonl"), "--objective", "dpo"];
    const begun = ["--weights", path("program/run/model.safetensors"), "--out", path("tuned")];
    execFileSync(PYTHON, [...args, ...begun, "--steps", "12", "--lr", "1e-2"], { encoding: "utf8" });
    const losses = [...lossesOf(path("tuned/log.jsonl")).values()];
    expect(losses[0]).toBeCloseTo(Math.LN2, 5);
    expect(losses.at(-1)).toBeLessThan(0.3);
  });

  test("and comes back: the run goes on here with the losses of one that never left", async () => {
    const back = ["import", path("program/run"), "--back", "-o", path("run-4")];
    expect(await sinter(...back)).toContain("is at step 8 now");
    expect((await run(...back)).err).toContain("is of step 8, and");
    const goOn = ["--resume", "--set", "train.steps=12", "--data", path("text.txt")];
    await trainSmall(path("4.sinter"), path("run-4"), ...goOn);
    const [back4, here] = [lossesOf(path("run-4/log.jsonl")), lossesOf(path("run-12/log.jsonl"))];
    for (const step of [9, 10, 11, 12])
      expect(Math.abs(back4.get(step)! - here.get(step)!)).toBeLessThan(1e-5);
  });

  test("its tests know that biases of keys change nothing: AdamW moves them by rounding alone", () => {
    const args = [path("program/test_parity.py"), "test_training"];
    const said = execFileSync(PYTHON, args, { encoding: "utf8" });
    expect(said).toMatch(/weights after 20 steps, \S+: \S+ of 1e-03\n1 passed/);
  });

  const answers = (i: number): object => ({ prompt: `${i} and 1`, completion: `${i + 1}` });
  const pairs = (i: number): object => ({
    prompt: `${i} and 1`,
    chosen: `${i + 1}`,
    rejected: `${i + 2}`,
  });

  test.each([
    ["sft", "a row for each example", answers, ["--set", "packing=none"]],
    ["sft", "packed rows", answers, ["--set", "packing=best_fit", "--set", "context=32"]],
    ["sft", "packed rows, adapters", answers, ["--set", "context=32", "--lora", "2"]],
    ["prefer", "pairs", pairs, ["--set", "objective=dpo"]],
    ["prefer", "pairs, adapters", pairs, ["--set", "objective=dpo", "--lora", "2"]],
  ] as const)("%s, %s: a run goes on there, and comes back", async (verb, what, row, set) => {
    const [home, out, data] = [path(`run ${what}`), path(`program ${what}`), path(`${what}.jsonl`)];
    writeFileSync(data, Array.from({ length: 40 }, (_, i) => `${JSON.stringify(row(i))}\n`).join(""));
    const settings = ["batch=4", "steps=8", "warmup=0", "lr=1e-2"].flatMap((one) => ["--set", one]);
    const begin = ["--from", path("run-12"), "--data", data, "--out", home, ...set, ...settings];
    await sinter(verb, ...begin, "--save-every", "4", "--workers", "1");
    const here = lossesOf(join(home, "log.jsonl"));
    const last = readFileSync(join(home, "step-000008.safetensors"));
    rmSync(join(home, "step-000008.safetensors"));
    await sinter("export", home, "--to", "torch", "-o", out);
    const shared = canShard && what !== "pairs" ? ["--processes", "2", "--mode", "fsdp"] : [];
    execFileSync(PYTHON, [join(out, "finetune.py"), ...shared], { stdio: "pipe" });
    if (shared.length > 0)
      execFileSync(PYTHON, [join(out, "weights.py"), join(out, "run")], { stdio: "pipe" });
    const there = lossesOf(join(out, "run/log.jsonl"));
    expect([...there.keys()]).toEqual([5, 6, 7, 8]);
    for (const [step, loss] of there) expect(Math.abs(loss - here.get(step)!)).toBeLessThan(1e-5);
    expect(await sinter("import", join(out, "run"), "--back", "-o", home)).toContain("is at step 8 now");
    const back = readFileSync(join(home, "step-000008.safetensors"));
    const [ours, theirs] = [last, back].map((bytes) => numbersOf(bytes));
    expect([...theirs!.keys()].sort()).toEqual([...ours!.keys()].sort());
    // of biases of keys the gradient is rounding, and AdamW makes whole steps of it
    for (const [name, values] of [...ours!].filter(([key]) => !key.endsWith("qkv.bias")))
      expect(distance(theirs!.get(name)!, values), name).toBeLessThan(1e-3);
  });

  test("the program of a model with 405 B parameters passes its own tests", async () => {
    const out = path("llama");
    const plan = ["--plan", "meta-llama3.1-405b"];
    await sinter("export", "specs/llama3.sinter", ...plan, "--to", "torch", "-o", out);
    expect(JSON.parse(readFileSync(join(out, "plan.json"), "utf8"))).toMatchObject({
      devices: 16_384,
      tensor: 8,
      sequence: 8192,
    });
    const said = execFileSync(PYTHON, [join(out, "test_parity.py")], { encoding: "utf8" });
    expect(said).toContain("1137 tensors, 405,853,388,800 parameters");
    expect(said).toMatch(/losses of two processes \(DDP\): \S+ of 1e-04/);
    expect(said).toMatch(/\d passed, 0 failed, \d skipped\n$/);
  });
});

test("what is there already is not written over, adapters have no place in it", async () => {
  writeFileSync(path("there"), "mine");
  const { code, err } = await run("export", path("4.sinter"), "--to", "torch", "-o", path("there"));
  expect(code).toBe(1);
  expect(err).toContain("is there already");
  expect(readFileSync(path("there"), "utf8")).toBe("mine");
  const adapted = ["--adapter", path("none"), "--to", "torch", "-o", path("other")];
  expect((await run("export", path("4.sinter"), ...adapted)).err).toContain("--to torch takes no --adapter");
  const unused = ["--set", "width=64", "--to", "gguf", "-o", path("other")];
  expect((await run("export", path("run-4"), ...unused)).err).toContain("go with --to torch and a spec");
  expect((await run("import", path("."), "--back", "-o", path("run-4"))).err).toContain("names no step");
  expect(existsSync(path("other"))).toBe(false);
});

test("a device of the spec's own, behind --on; the spec is read once, so that it warns once", async () => {
  const odd = spec(4).replace("x += swiglu", "h = rmsnorm(x)\n    x += swiglu");
  writeFileSync(path("own.sinter"), `${odd}hardware my-card like h100 { power 500 }\n`);
  const asked = ["--to", "torch", "--on", "my-card:2", "-o", path("own")];
  const { code, err } = await run("export", path("own.sinter"), ...asked);
  expect([code, err.match(/warning\[/g)?.length]).toEqual([0, 1]);
  expect(JSON.parse(readFileSync(path("own/plan.json"), "utf8"))).toMatchObject({
    hardware: "my-card",
    figures: "from the spec: power; the rest as NVIDIA H100 SXM 80 GB",
    devices: 2,
  });
});
