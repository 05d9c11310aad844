/**
 * The learning rate of every step: as the schedules define it; and a run keeps the rule that it began with.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainSettings } from "../../../runtime/contract/model.ts";
import { inside } from "../../support/inside.ts";
import { learningRate } from "../../../runtime/train/schedule.ts";
import { makeOldRecord } from "../../support/old-record.ts";

type Schedule = Pick<TrainSettings, "schedule" | "lr" | "minLr" | "warmup" | "steps">;
const rates = (s: Schedule, rule?: 1 | 2): number[] =>
  Array.from({ length: s.steps }, (_, i) => learningRate(i + 1, s, rule));

/** nanoGPT's get_lr, where lr_decay_iters is the number of steps; `it` counts from 0. */
function getLr(it: number, { lr, minLr, warmup, steps }: Schedule): number {
  if (it < warmup) return (lr * (it + 1)) / (warmup + 1);
  if (it > steps) return minLr;
  const ratio = (it - warmup) / (steps - warmup);
  const coefficient = 0.5 * (1 + Math.cos(Math.PI * ratio));
  return minLr + coefficient * (lr - minLr);
}

/** The four numbers are lr, minLr, warmup and steps. */
const runs: readonly (readonly [number, number, number, number])[] = [
  [1e-2, 1e-3, 4, 10],
  [1e-2, 0, 0, 1],
  [1e-2, 1e-3, 1, 2],
  [6e-4, 6e-5, 100, 5000],
  [3e-3, 3e-4, 0, 17],
  [1, 0.1, 10, 11],
  [1e-3, 1e-3, 2, 5],
  [1e-3, 0, 20, 7],
];

describe("learning rate", () => {
  it.each(runs)(
    "cosine with lr %d … %d, %i steps of warm-up in %i is nanoGPT's get_lr, as kernels read it (f32)",
    (lr, minLr, warmup, steps) => {
      const s = { schedule: "cosine", lr, minLr, warmup, steps } as const;
      expect(Float32Array.from(rates(s))).toEqual(
        Float32Array.from({ length: steps }, (_, it) => getLr(it, s)),
      );
      expect(learningRate(steps + 1, s)).toBe(warmup > steps ? (lr * (steps + 1)) / (warmup + 1) : minLr);
    },
  );

  it.each(["constant", "cosine", "linear", "wsd"] as const)(
    "%s: the first step after the warm-up trains at the peak, a single step too",
    (schedule) => {
      for (const [lr, minLr, warmup, steps] of runs) {
        const all = rates({ schedule, lr, minLr, warmup, steps });
        // minLr + (lr − minLr) may be rounded
        if (warmup < steps) expect(all[warmup]! / lr).toBeCloseTo(1, 15);
        for (const [it, rate] of all.slice(0, warmup).entries())
          expect(rate).toBe((lr * (it + 1)) / (warmup + 1));
        for (const [i, rate] of all.slice(warmup + 1).entries())
          expect(rate).toBeLessThanOrEqual(all[warmup + i]!);
      }
    },
  );

  it("wsd is stable for four fifths and would be at its least one step behind the last one", () => {
    const wsd = { schedule: "wsd", lr: 1, minLr: 0.1, warmup: 10, steps: 100 } as const;
    expect([11, 50, 81, 91, 101].map((step) => learningRate(step, wsd))).toEqual([
      1,
      1,
      1,
      expect.closeTo(0.55),
      expect.closeTo(0.1),
    ]);
    expect(rates({ ...wsd, schedule: "constant" }).slice(10)).toEqual(Array.from({ length: 90 }, () => 1));
  });

  it("linear falls by the same amount from step to step, over all of the run", () => {
    const linear = { schedule: "linear", lr: 1, minLr: 0, warmup: 0, steps: 8 } as const;
    // microgpt: lr · (1 − it / steps)
    expect(rates(linear)).toEqual([1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]);
    expect(rates({ ...linear, minLr: 0.5, warmup: 4 })).toEqual([0.2, 0.4, 0.6, 0.8, 1, 0.875, 0.75, 0.625]);
    expect([9, 10].map((step) => learningRate(step, { ...linear, minLr: 0.5, warmup: 4 }))).toEqual([
      0.5, 0.5,
    ]);
  });

  it("of before: after the warm-up a step ahead", () => {
    const cosine = { schedule: "cosine", lr: 1e-2, minLr: 1e-3, warmup: 4, steps: 10 } as const;
    const now = [...rates(cosine), learningRate(11, cosine)];
    expect(rates(cosine, 1)).toEqual([...now.slice(0, 4), ...now.slice(5)]);
  });
});

describe("a run", () => {
  const SPEC = `model m {
  vocab 32   context 16   width 16   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { batch 2  context 8  steps 10  lr 1e-2  min_lr 1e-3  warmup 4  eval_every 0 }
}
`;
  const newRates = [0.002, 0.004, 0.006, 0.008, 0.01, 0.009397, 0.00775, 0.0055, 0.00325, 0.001603];
  const oldRates = [0.002, 0.004, 0.006, 0.008, 0.009397, 0.00775, 0.0055, 0.00325, 0.001603, 0.001];
  let folder: string;
  const train = async (...args: string[]): Promise<number[]> => {
    const { code, out, err } = await inside(["train", ...args, "--json", "--workers", "1"], folder);
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(/^(note: \S+run\.json is of an earlier release.*\n)?$/) as unknown,
    });
    return out
      .trim()
      .split("\n")
      .flatMap((line) => {
        const { kind, lr } = JSON.parse(line) as { kind: string; lr: number };
        return kind === "step" ? [Number(lr.toPrecision(4))] : [];
      });
  };
  const weights = (run: string): Buffer => readFileSync(join(folder, run, "step-000010.safetensors"));
  /** Makes the record as it was before it named the rule. */
  const makeOld = (run: string): void => {
    makeOldRecord(join(folder, run), ["scheduleRule", "textRule"]);
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sinter-schedule-"));
    writeFileSync(join(folder, "m.sinter"), SPEC);
    writeFileSync(join(folder, "text.txt"), "abcdefghij klmno\n".repeat(60));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("follows the rule that it began under, also when it goes on: to the same bits", async () => {
    expect(await train("m.sinter", "--data", "text.txt", "--out", "new")).toEqual(newRates);
    expect(await train("m.sinter", "--data", "text.txt", "--out", "parts", "--steps", "0")).toEqual([]);
    makeOld("parts");
    expect(await train("--resume", "--out", "parts", "--steps", "10", "--save-every", "4")).toEqual(oldRates);
    const whole = weights("parts");
    expect(whole.equals(weights("new"))).toBe(false);
    for (const file of ["step-000010.safetensors", "step-000008.safetensors"])
      rmSync(join(folder, "parts", file));
    expect(await train("--resume", "--out", "parts")).toEqual(oldRates.slice(4)); // from step 4
    expect(weights("parts").equals(whole)).toBe(true);
  });

  it("whose record names a rule that nobody knows is not guessed at", async () => {
    const path = join(folder, "new", "run.json");
    const record = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...record, scheduleRule: 3 }));
    const { code, err } = await inside(["train", "--resume", "--out", "new", "--json"], folder);
    expect(code).toBe(3);
    expect(err).toMatch(/scheduleRule is 3, not 1 or 2/);
  });
});
