/**
 * `sinter prefer`: pairs become rows, the reference is the model that the run began with, and a run that goes
 * on is the one that was not interrupted.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, sinter, trainSmall } from "../../support/command-line.ts";

const spec = `model small {
  vocab 260   context 32   width 16   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 32  steps 3 }
  objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))
}
`;
/** Answers of unequal lengths; row 3 has two that are the same. */
const pairs = Array.from({ length: 40 }, (_, i) => ({
  prompt: `say ${i}`,
  chosen: `yes ${"!".repeat(i % 3)}`,
  rejected: i === 2 ? `yes ${"!".repeat(2)}` : `no ${i} or so`,
}));
const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join("\n");

let at: string;
const path = (name: string): string => join(at, name);
const FLAGS = "--workers 1 --target simd".split(" ");
const prefer = (out: string, ...more: readonly string[]): Promise<string> =>
  sinter(
    "prefer",
    "--from",
    path("base"),
    "--data",
    path("pairs.jsonl"),
    "--out",
    path(out),
    ...FLAGS,
    ...more,
  );
interface Event {
  readonly kind: string;
  readonly step: number;
  readonly [name: string]: unknown;
}
const logOf = (name: string): readonly Event[] =>
  readFileSync(join(path(name), "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Event);
const first = (name: string, kind: string): Event => logOf(name).find((event) => event.kind === kind)!;
const weights = (name: string, step: string): Buffer => {
  const bytes = readFileSync(join(path(name), `step-${step}.safetensors`));
  const header = Number(bytes.readBigUInt64LE(0));
  return bytes.subarray(8 + header);
};

beforeAll(async () => {
  at = mkdtempSync(join(tmpdir(), "sinter-prefer-"));
  writeFileSync(path("base.sinter"), spec);
  writeFileSync(path("pairs.jsonl"), lines(pairs));
  await trainSmall(path("base.sinter"), path("base"), "--steps", "3");
});
afterAll(() => rmSync(at, { recursive: true, force: true }));

describe("the first step", () => {
  test("dpo: the policy is the reference to the bit (threads 10 and 12)", async () => {
    const out = await prefer("dpo", "--steps", "6", "--set", "lr=1e-2", "--set", "eval_every=3");
    expect(out).toContain("dropped 1 row: chosen and rejected are the same (row 3)");
    expect(out).toContain("answers have ");
    for (const event of [first("dpo", "step"), first("dpo", "eval")]) {
      const of = (name: string): unknown => event[event.kind === "eval" ? `eval_${name}` : name];
      expect(of("loss")).toBeCloseTo(Math.LN2, 6);
      expect(of("rewards/margins")).toBe(0);
      expect(of("rewards/accuracies")).toBe(0);
    }
    const evals = logOf("dpo").filter(({ kind }) => kind === "eval");
    expect(Number(evals.at(-1)!["eval_loss"])).toBeLessThan(0.65);
    expect(Number(evals.at(-1)!["eval_rewards/accuracies"])).toBeGreaterThan(0.9);
    expect(readFileSync(join(path("dpo"), "report.html"), "utf8")).toContain("rewards/margins");
  });

  test.each([
    ["ipo, of averages", ["objective=ipo"], 25],
    ["ipo, of sums", ["objective=ipo", "average=false"], 25],
    ["hinge", ["objective=hinge"], 1],
    ["one of the spec's own", ["objective=mine", "beta=0.5"], Math.LN2],
  ])("%s", async (name, set, loss) => {
    const folder = name.replace(/\W/g, "");
    await prefer(folder, "--steps", "1", ...set.flatMap((one) => ["--set", one]));
    expect(first(folder, "step")["loss"]).toBeCloseTo(loss, 4);
  });

  test("with adapters, from a run that had some (thread 11)", async () => {
    await prefer("adapted", "--lora", "2", "--steps", "3", "--set", "lr=1e-2");
    await sinter(
      "prefer",
      "--from",
      path("adapted"),
      "--data",
      path("pairs.jsonl"),
      "--out",
      path("again"),
      ...FLAGS,
      "--lora",
      "2",
      "--steps",
      "1",
    );
    expect(first("again", "step")["rewards/margins"]).toBe(0);
    expect(first("again", "step")["loss"]).toBeCloseTo(Math.LN2, 6);
  });
});

describe("evaluation", () => {
  const evaluated = async (name: string, ...more: readonly string[]) =>
    JSON.parse(await sinter("eval", path(name), "--json", "--workers", "1", ...more)) as {
      readonly pairs: number;
      readonly margin: number;
    };

  test.each(["dpo", "adapted"])(
    "of other pairs: %s is compared with the model that it began with",
    async (name) => {
      const [learnt, heldOut] = [await evaluated(name, "--part", "train"), await evaluated(name)];
      const all = await evaluated(name, "--data", path("pairs.jsonl"));
      expect(all.pairs).toBe(learnt.pairs + heldOut.pairs);
      expect(Math.abs(all.margin)).toBeGreaterThan(0.01);
      const sum = learnt.margin * learnt.pairs + heldOut.margin * heldOut.pairs;
      expect(all.margin * all.pairs).toBeCloseTo(sum, 3);
    },
  );

  test("of other pairs, where the start is gone: says so", async () => {
    rmSync(join(path("hinge"), "step-000000.safetensors"));
    const { code, err } = await run("eval", path("hinge"), "--data", path("pairs.jsonl"));
    expect(code).toBe(1);
    expect(err).toContain("step-000000.safetensors is not there");
  });
});

describe("going on", () => {
  test("is the run that was not interrupted, bit for bit", async () => {
    const options = [
      "--set",
      "lr=1e-2",
      "--set",
      "steps=6",
      "--set",
      "schedule=constant",
      "--set",
      "warmup=0",
    ];
    await prefer("whole", ...options);
    await prefer("parts", ...options, "--steps", "3");
    await sinter("prefer", "--resume", "--out", path("parts"), "--steps", "6", "--workers", "1");
    expect(weights("parts", "000006").equals(weights("whole", "000006"))).toBe(true);
  });

  test("asks for the reference that it began with (thread 10)", async () => {
    await prefer("kept", "--steps", "2");
    rmSync(join(path("kept"), "reference.safetensors"));
    const gone = await run("prefer", "--resume", "--out", path("kept"), "--steps", "4");
    expect(gone.code).toBe(1);
    expect(gone.err).toContain(
      "reference.safetensors is gone, and weights that have learnt are no reference",
    );
    await prefer("other", "--steps", "2", "--set", "objective=ipo");
    const bytes = readFileSync(join(path("other"), "reference.safetensors"));
    writeFileSync(join(path("kept"), "reference.safetensors"), bytes);
    const differs = await run("prefer", "--resume", "--out", path("kept"), "--steps", "4");
    expect(differs.err).toContain("was computed with other objective");
  });
});

describe("kto", () => {
  const judged = pairs.map(({ prompt, chosen, rejected }, i) =>
    i % 2 === 0
      ? { prompt, completion: chosen, label: true }
      : { prompt, completion: rejected, label: false },
  );
  test("answers that were judged; z is measured on answers to other prompts (thread 15)", async () => {
    writeFileSync(path("judged.jsonl"), lines(judged));
    writeFileSync(path("wanted.jsonl"), lines(judged.map((row) => ({ ...row, label: true }))));
    const data = ["--data", path("wanted.jsonl"), "--set", "objective=kto"];
    const args = [...data, "--steps", "4", "--set", "lr=1e-2"];
    await sinter("prefer", "--from", path("base"), "--out", path("kto"), ...FLAGS, ...args);
    const steps = logOf("kto").filter(({ kind }) => kind === "step");
    expect(steps[0]).toMatchObject({ kl: 0 });
    expect(steps[0]!["loss"]).toBeCloseTo(0.5, 6);
    expect(steps.some(({ kl }) => Number(kl) > 0)).toBe(true);
  });

  test("one prompt has no answers to others", async () => {
    writeFileSync(path("one.jsonl"), lines(judged.map((row) => ({ ...row, prompt: "say" }))));
    const args = ["--data", path("one.jsonl"), "--set", "objective=kto", "--set", "held_out=0"];
    const { code, err } = await run(
      "prefer",
      "--from",
      path("base"),
      "--out",
      path("none"),
      ...FLAGS,
      ...args,
    );
    expect(code).toBe(1);
    expect(err).toContain("there is one prompt only");
  });

  test("other objectives ask for pairs", async () => {
    const args = ["--data", path("judged.jsonl"), "--out", path("none"), ...FLAGS];
    const { err } = await run("prefer", "--from", path("base"), ...args);
    expect(err).toContain("dpo learns from pairs of answers, and these are judged one by one");
  });
});

test("a pair is shown as the model sees it, and lengths that differ are said (thread 14)", async () => {
  const shown = await prefer("none", "--preview");
  expect(shown).toContain("row 1, chosen: ");
  expect(shown).toMatch(/⟦yes <\|end\|>⟧/);
  const long = pairs.map((pair) => ({ ...pair, chosen: "a long answer" }));
  writeFileSync(path("long.jsonl"), lines(long));
  const said = await sinter(
    "prefer",
    "--from",
    path("base"),
    "--data",
    path("long.jsonl"),
    "--out",
    path("long"),
    ...FLAGS,
    "--steps",
    "1",
  );
  expect(said).toContain("note: the chosen ones are longer by more than 20 %");
});
