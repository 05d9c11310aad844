/** `sinter sft`: from a base to a run that answers; its data, its tokens, and how it goes on. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TrainingMemory } from "../../../app/cli/options/memory-plan.ts";
import { run, sinter, trainSmall } from "../../support/command-line.ts";

const spec = (name: string, more = "", tokenizer = "bytes", vocab = 256): string => `model ${name} {
  vocab ${vocab}   context 32   width 16   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer ${tokenizer}
  train { batch 4  context 32  steps 3 }
  ${more}
}
`;
const rows = (n: number): string =>
  Array.from({ length: n }, (_, i) => JSON.stringify({ prompt: `say ${i}`, completion: `it is ${i}` })).join(
    "\n",
  );

let at: string;
const path = (name: string): string => join(at, name);
const base = (): string => path("base");
/** Flags that give the same bits everywhere. */
const FLAGS = "--workers 1 --target simd".split(" ");
const sft = (out: string, ...more: readonly string[]): Promise<string> =>
  sinter("sft", "--from", base(), "--data", path("data.jsonl"), "--out", path(out), ...FLAGS, ...more);
const recordOf = (name: string): Record<string, Record<string, unknown>> =>
  JSON.parse(readFileSync(join(path(name), "run.json"), "utf8")) as never;
const logOf = (name: string): readonly Record<string, unknown>[] =>
  readFileSync(join(path(name), "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const checkpoints = (name: string): string[] =>
  readdirSync(path(name)).filter((file) => file.startsWith("step-"));

beforeAll(async () => {
  at = mkdtempSync(join(tmpdir(), "sinter-sft-"));
  writeFileSync(path("base.sinter"), spec("base", "expect parameters 7_776"));
  writeFileSync(path("data.jsonl"), rows(40));
  await trainSmall(path("base.sinter"), base(), "--steps", "3");
});
afterAll(() => rmSync(at, { recursive: true, force: true }));

test("a base that has no tokens for turns gets them, learns, and answers", async () => {
  const out = await sft("first", "--steps", "6", "--set", "eval_every=2", "--json");
  const events = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const steps = events.filter(({ kind }) => kind === "step");
  expect(steps).toHaveLength(6);
  expect(Object.keys(steps[0]!)).toEqual(
    expect.arrayContaining(["loss", "learning_rate", "grad_norm", "num_tokens"]),
  );
  expect(steps[0]).toMatchObject({
    entropy: expect.closeTo(Math.log(260), 0) as unknown, // it has learnt little yet
    mean_token_accuracy: expect.any(Number) as unknown,
  });
  const evals = events.filter(({ kind }) => kind === "eval");
  expect(evals.map(({ step }) => step)).toEqual([0, 2, 4, 6]);
  expect(Number(evals.at(-1)!["eval_loss"])).toBeLessThan(Number(evals[0]!["eval_loss"]));
  expect(recordOf("first")["stage"]).toMatchObject({
    stage: "sft",
    chatFormat: "turns",
    block: "the defaults",
  });
  const spec = readFileSync(join(path("first"), "spec.sinter"), "utf8");
  expect(spec).toContain("vocab 260");
  expect(spec).toContain("expect parameters 7840"); // 4 rows of 16 more
  expect(await run("check", join(path("first"), "spec.sinter"))).toMatchObject({ code: 0 });
  const tokens = readFileSync(join(path("first"), "tokenizer", "bytes.json"), "utf8");
  expect(JSON.parse(tokens)).toEqual({
    "<|system|>": 256,
    "<|user|>": 257,
    "<|assistant|>": 258,
    "<|end|>": 259,
  });
  expect(logOf("first").some(({ kind, prompt }) => kind === "sample" && prompt === "say 9")).toBe(true);
  expect(existsSync(join(path("first"), "report.html"))).toBe(true);
});

test("check says the bytes of every stage beforehand", async () => {
  const blocks = "sft { steps 6 }  prefer { objective dpo }  reward { steps 5 }  rl { group 2  prompts 3 }";
  writeFileSync(path("staged.sinter"), spec("base", blocks));
  const { models } = JSON.parse(await sinter("check", "--json", path("staged.sinter"))) as {
    models: { stages: Record<string, TrainingMemory> }[];
  };
  const { sft, prefer, reward, rl } = models[0]!.stages as Record<string, TrainingMemory>;
  const base = ({ memory, workers, workerMemory }: TrainingMemory): number => memory - workers * workerMemory;
  const manifest = JSON.parse(readFileSync(join(path("first"), "bundle", "manifest.json"), "utf8")) as {
    modules: { train: { memoryBytes: number; maxWorkers: number; workerBytes: number } };
  };
  const { memoryBytes, maxWorkers, workerBytes } = manifest.modules.train;
  expect(base(sft!)).toBe(memoryBytes - maxWorkers * workerBytes);
  const sum = Object.values(sft!.regions).reduce((a, b) => a + b, 0);
  expect(sum).toBe(base(sft!));
  expect(prefer!.regions["parameters"]).toBe(sft!.regions["parameters"]);
  expect(reward!.regions["parameters"]! - sft!.regions["parameters"]!).toBe(64); // a head of 16 numbers
  expect(rl!.regions["key-value cache"]).toBe(6 * sft!.regions["key-value cache"]!); // an answer each
  expect(await sinter("check", path("staged.sinter"))).toMatch(/stages after training:\n +sft [\d,]+ bytes/);
});

test("a run of a run keeps its format and its tokens; a base may keep rows free", async () => {
  await sft("again-base", "--steps", "2");
  const second = await sinter(
    "sft",
    "--from",
    path("again-base"),
    "--data",
    path("data.jsonl"),
    "--out",
    path("again"),
    ...FLAGS,
    "--steps",
    "2",
  );
  expect(second).not.toContain("the vocabulary gets");
  const report = readFileSync(join(path("again"), "report.html"), "utf8");
  expect([...report.matchAll(/<li.*?<b>(\w+)<\/b>/g)].map(([, stage]) => stage)).toEqual([
    "train",
    "sft",
    "sft",
  ]);
  expect(second).toMatch(/packed: 36 examples in \d+ rows of 32 tokens, \d\d\.\d % full/);
  expect(recordOf("again")["from"]).toMatchObject({ step: expect.any(Number) as unknown });
  writeFileSync(path("free.sinter"), spec("free", "", "bytes", 264));
  await trainSmall(path("free.sinter"), path("free"), "--steps", "1");
  const out = await sinter(
    "sft",
    "--from",
    path("free"),
    "--data",
    path("data.jsonl"),
    "--out",
    path("free-sft"),
    ...FLAGS,
    "--steps",
    "1",
  );
  expect(out).toContain("in rows that the model has kept free");
  expect(readFileSync(join(path("free-sft"), "spec.sinter"), "utf8")).toContain("vocab 264");
});

test("--preview shows what is learnt, and leaves no folder behind", async () => {
  const out = await sft("never", "--preview", "1");
  expect(out).toContain("<|user|>say 0<|end|><|assistant|>⟦it is 0<|end|>⟧");
  expect(out).toContain("row 1: 16 tokens, 8 of them learnt");
  expect(existsSync(path("never"))).toBe(false);
});

describe("the block", () => {
  const block = "sft { steps 1  lr 1e-4  loss last }";
  test("of the spec that is named counts, else that of the run; --set comes on top", async () => {
    writeFileSync(path("named.sinter"), spec("other", block));
    const named = await sinter(
      "sft",
      path("named.sinter"),
      "--from",
      base(),
      "--data",
      path("data.jsonl"),
      "--out",
      path("named"),
      ...FLAGS,
    );
    expect(named).toContain(`settings of sft: from ${path("named.sinter")}`);
    expect(recordOf("named")).toMatchObject({
      model: "base",
      settings: { steps: 1, lr: 1e-4 },
      stage: { loss: "last", block: path("named.sinter") },
    });
    writeFileSync(path("own.sinter"), spec("own", block));
    await trainSmall(path("own.sinter"), path("own"), "--steps", "1");
    const own = await sinter(
      "sft",
      "--from",
      path("own"),
      "--data",
      path("data.jsonl"),
      "--out",
      path("own-sft"),
      ...FLAGS,
      "--set",
      "lr=2e-4",
      "--set",
      "sft.seed=5",
    );
    expect(own).toContain(`settings of sft: from ${path("own")}/spec.sinter`);
    expect(recordOf("own-sft")).toMatchObject({
      settings: { steps: 1, lr: 2e-4, seed: 5 },
      stage: { loss: "last" },
    });
  });

  test("sizes of the model can not be set, and unknown names are refused", async () => {
    const asked = ["sft", "--from", base(), "--data", path("data.jsonl"), "--out", path("no"), ...FLAGS];
    expect(await run(...asked, "--set", "width=32")).toMatchObject({
      code: 2,
      err: expect.stringContaining("with --from, the model is that of the run") as unknown,
    });
    expect(await run(...asked, "--set", "sft.stpes=3")).toMatchObject({ code: 1 });
    expect(existsSync(path("no"))).toBe(false);
  });
});

describe("going on", () => {
  test("a run that was interrupted ends in the bits of one that was not", async () => {
    const flags = [
      "--set",
      "eval_every=3",
      "--set",
      "save_every=2",
      "--set",
      "lr=1e-2",
      "--set",
      "schedule=constant",
    ];
    await sft("whole", "--steps", "8", ...flags);
    await sft("half", "--steps", "5", ...flags);
    const rest = await sinter("sft", "--resume", "--out", path("half"), "--steps", "8", ...FLAGS);
    expect(rest).toContain("steps 5 → 8");
    const bytes = (name: string): Buffer => readFileSync(join(path(name), "step-000008.safetensors"));
    const weights = (name: string): Buffer => {
      const file = bytes(name);
      return file.subarray(8 + Number(file.readBigUInt64LE(0)));
    };
    expect(weights("half").equals(weights("whole"))).toBe(true);
    const bests = (name: string): unknown => /"best\\":\{[^}]*\}/.exec(bytes(name).toString("latin1"))?.[0];
    expect(bests("half")).toBeDefined();
    expect(bests("half")).toBe(bests("whole"));
  });

  test("evaluations that bring nothing better end it, before and after an interruption", async () => {
    const wild = [
      "--set",
      "eval_every=1",
      "--set",
      "lr=1",
      "--set",
      "schedule=constant",
      "--set",
      "patience=3",
      "--set",
      "packing=none",
    ];
    expect(await sft("patient", "--steps", "2", ...wild)).not.toContain("packed");
    expect(recordOf("patient")["stage"]).toMatchObject({ packing: "none" });
    await sinter("sft", "--resume", "--out", path("patient"), "--steps", "9", ...FLAGS);
    const steps = logOf("patient").filter(({ kind }) => kind === "step");
    expect(steps).toHaveLength(3);
    expect(checkpoints("patient")).toContain("step-000000.safetensors");
  });

  test("other data, and another verb, are refused", async () => {
    await sft("mine", "--steps", "1");
    writeFileSync(path("other.jsonl"), rows(41));
    const asked = ["sft", "--resume", "--out", path("mine"), ...FLAGS];
    expect(await run(...asked, "--data", path("other.jsonl"))).toMatchObject({
      code: 1,
      err: expect.stringContaining("the data are not those that this run began with") as unknown,
    });
    expect(await run("train", "--resume", "--out", path("mine"))).toMatchObject({
      code: 1,
      err: expect.stringContaining("holds a run of sinter sft") as unknown,
    });
    expect(await run("sft", "--resume", "--out", base())).toMatchObject({
      code: 1,
      err: expect.stringContaining("holds no run of sinter sft") as unknown,
    });
  });
});

test("the best checkpoint is kept beside the newest, and is the one that is used", async () => {
  // a rate that is far too high: it is best at the beginning
  const flags = [
    "--steps",
    "6",
    "--keep",
    "1",
    "--set",
    "eval_every=1",
    "--set",
    "lr=1",
    "--set",
    "warmup=2",
  ];
  await sft("wild", ...flags, "--set", "schedule=constant");
  const evals = logOf("wild").filter(({ kind }) => kind === "eval");
  const best = evals.toSorted((a, b) => Number(a["eval_loss"]) - Number(b["eval_loss"]))[0]!;
  expect(Number(best["step"])).toBeLessThan(6);
  expect(checkpoints("wild")).toContain(`step-${String(best["step"]).padStart(6, "0")}.safetensors`);
  expect(checkpoints("wild").length).toBeLessThanOrEqual(2);
});

describe("data", () => {
  const asked = (data: string, ...more: readonly string[]) =>
    run("sft", "--from", base(), "--data", data, "--out", path("bad"), ...FLAGS, ...more);

  test("a row that is wrong is named with its number, and no folder is left", async () => {
    writeFileSync(path("bad.jsonl"), `${rows(3)}\n{"prompt": "x"}\n`);
    const { code, err } = await asked(path("bad.jsonl"));
    expect(code).toBe(1);
    expect(err).toContain("row 4: it is without an answer");
    expect(err).toContain('Write "completion"');
    expect(existsSync(path("bad"))).toBe(false);
    const { code: taken, out } = await asked(
      path("bad.jsonl"),
      "--drop-wrong",
      "--preview",
      "--set",
      "held_out=0",
    );
    expect(taken).toBe(0);
    expect(out).toContain("dropped 1 row: wrong");
  });

  test("thread 8: nothing left to learn is an error", async () => {
    writeFileSync(path("long.jsonl"), JSON.stringify({ prompt: "x".repeat(40), completion: "y" }));
    const { code, err } = await asked(path("long.jsonl"), "--set", "held_out=0");
    expect(code).toBe(1);
    expect(err).toContain("nothing can be learnt from its 1 rows: 1 are longer than 32 tokens");
  });

  test("attention that looks ahead would see the example beside it: packing is refused", async () => {
    const ahead = spec("ahead", "").replace("layernorm(x))  x", "layernorm(x), causal: false)  x");
    writeFileSync(path("ahead.sinter"), ahead);
    const { code, err } = await run("sft", path("ahead.sinter"), "--data", path("data.jsonl"));
    expect(code).toBe(1);
    expect(err).toContain("can not keep examples apart that share a row");
  });

  test("what --eval shares with the data is said", async () => {
    writeFileSync(
      path("test.jsonl"),
      `${JSON.stringify({ prompt: "say 5", completion: "it is 5" })}\n${rows(1)}`,
    );
    const { code, err } = await asked(path("data.jsonl"), "--eval", path("test.jsonl"), "--preview");
    expect(code).toBe(0);
    expect(err).toContain(
      "2 of 2 held-out rows ask what the training data asks too (rows 1, 2; there rows 6, 1)",
    );
  });

  test("a spec alone begins with drawn weights, and characters are those of the examples", async () => {
    writeFileSync(path("fresh.sinter"), spec("fresh", "sft { steps 2 }", "characters", 30));
    const out = await sinter(
      "sft",
      path("fresh.sinter"),
      "--data",
      path("data.jsonl"),
      "--out",
      path("fresh"),
      ...FLAGS,
    );
    expect(out).toContain("done:");
    const copy = path("copied");
    mkdirSync(copy);
    cpSync(path("fresh"), copy, { recursive: true });
    expect(recordOf("copied")["stage"]).toMatchObject({ chatFormat: "turns" });
  });
});

describe("sinter eval", () => {
  const evaluated = async (name: string, ...more: readonly string[]): Promise<Record<string, number>> =>
    JSON.parse(await sinter("eval", path(name), "--json", "--workers", "1", ...more)) as never;

  test("tells the answers' loss, which are right, which end, and how long they are", async () => {
    await sft("evaluated", "--steps", "4");
    const facts = await evaluated("evaluated", "--answers", "3");
    expect(facts).toMatchObject({ part: "held-out", examples: 4, answers: 3, step: 4 });
    const last = logOf("evaluated")
      .filter(({ kind }) => kind === "eval")
      .at(-1)!;
    expect(facts["eval_loss"]).toBeCloseTo(Number(last["eval_loss"]), 5);
    for (const name of ["exact_match", "stopped"]) {
      expect(facts[name]).toBeGreaterThanOrEqual(0);
      expect(facts[name]).toBeLessThanOrEqual(1);
    }
    expect(facts["completions/mean_length"]).toBeGreaterThanOrEqual(0);
    const other = await evaluated("evaluated", "--data", path("data.jsonl"), "--answers", "0");
    expect(other).toMatchObject({ part: "all", examples: 40 });
    expect(other["answers"]).toBeUndefined();
  });

  test("uses the best checkpoint, and --text the loss over a text, by which forgetting is seen", async () => {
    const flags = ["--steps", "4", "--set", "eval_every=1", "--set", "lr=1", "--set", "schedule=constant"];
    await sft("forgets", ...flags);
    const evals = logOf("forgets").filter(({ kind }) => kind === "eval");
    const best = evals.toSorted((a, b) => Number(a["eval_loss"]) - Number(b["eval_loss"]))[0]!;
    const facts = await evaluated("forgets", "--answers", "0");
    expect(Number(best["step"])).toBeLessThan(4);
    expect(facts["step"]).toBe(best["step"]);
    expect(facts["eval_loss"]).toBeCloseTo(Number(best["eval_loss"]), 5);
    const text = await evaluated("forgets", "--text");
    expect(text["bits_per_byte"]).toBeGreaterThan(0);
    // the same part of the same text as the base's own figure
    const before = await evaluated("base");
    expect([text["part"], text["tokens"]]).toEqual(["held-out", before["tokens"]]);
    expect(await evaluated("again", "--text")).toMatchObject({ part: "held-out", tokens: before["tokens"] });
  });
});
