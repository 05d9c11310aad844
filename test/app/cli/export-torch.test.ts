/**
 * `sinter export --to torch`: the program passes its own tests, a run that was begun here goes on there with
 * the same losses, and what is no model is refused.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, sinter, trainSmall } from "../../support/command-line.ts";
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

  test.skipIf(!canShard)(
    "shared out among two processes (FSDP2) it learns the same, and comes back",
    async () => {
      const [out, home] = [path("shared"), path("run-shared")];
      cpSync(path("run-4"), home, { recursive: true });
      await sinter("export", home, "--to", "torch", "--data", path("text.txt"), "-o", out);
      const args = [join(out, "tokens.bin"), "2", "--mode", "fsdp", "--steps", "8"];
      execFileSync("bash", [join(out, "run.sh"), ...args], {
        env: { ...process.env, PYTHON },
        stdio: "pipe",
      });
      const [there, here] = [lossesOf(join(out, "run/log.jsonl")), lossesOf(path("run-12/log.jsonl"))];
      for (const [step, loss] of there) expect(Math.abs(loss - here.get(step)!)).toBeLessThan(1e-5);
      const back = ["import", join(out, "run"), "--back", "-o", home];
      expect((await run(...back)).err).toContain("weights.py joins it");
      execFileSync(PYTHON, [join(out, "weights.py"), join(out, "run")], { stdio: "pipe" });
      expect(await sinter(...back)).toContain("is at step 8 now");
    },
  );

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

  const examples = {
    sft: {
      set: ["packing=none"],
      row: (i: number) => ({ prompt: `${i} and 1`, completion: `${i + 1}` }),
    },
    prefer: {
      set: ["objective=dpo"],
      row: (i: number) => ({ prompt: `${i} and 1`, chosen: `${i + 1}`, rejected: `${i + 2}` }),
    },
  } as const;

  test.each(["sft", "prefer"] as const)("%s: a run goes on there, and comes back", async (verb) => {
    const [home, out, data] = [path(`run-${verb}`), path(`program-${verb}`), path(`${verb}.jsonl`)];
    const { set, row } = examples[verb];
    writeFileSync(data, Array.from({ length: 20 }, (_, i) => `${JSON.stringify(row(i))}\n`).join(""));
    const settings = [...set, "batch=4", "steps=4", "warmup=0"].flatMap((one) => ["--set", one]);
    const begin = ["--from", path("run-12"), "--data", data, "--out", home, ...settings, "--save-every", "2"];
    await sinter(verb, ...begin, "--workers", "1");
    const here = lossesOf(join(home, "log.jsonl"));
    rmSync(join(home, "step-000004.safetensors"));
    await sinter("export", home, "--to", "torch", "-o", out);
    execFileSync(PYTHON, [join(out, "finetune.py")], { stdio: "pipe" });
    const there = lossesOf(join(out, "run/log.jsonl"));
    expect([...there.keys()]).toEqual([3, 4]);
    for (const [step, loss] of there) expect(Math.abs(loss - here.get(step)!)).toBeLessThan(1e-5);
    expect(await sinter("import", join(out, "run"), "--back", "-o", home)).toContain("is at step 4 now");
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
