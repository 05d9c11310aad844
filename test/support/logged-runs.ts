/** Folders of runs with a record and a log, as a training leaves them, without a training. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newRecord, recordText, type RunRecord } from "../../runtime/store/run-record.ts";
import type { StepEvent, TrainEvent } from "../../runtime/train/events.ts";
import { logLine, withFieldNames } from "../../runtime/train/log.ts";

export const TOKENS = 64;

/** Steps 1 … `count`; `change` may alter each of them. */
export const stepEvents = (
  count: number,
  change: (step: number) => Partial<StepEvent> = () => ({}),
): TrainEvent[] =>
  Array.from({ length: count }, (_, i) => {
    const step = i + 1;
    const loss = 1 + 4 / step;
    const time = new Date(Date.UTC(2026, 0, 1) + 1000 * step).toISOString();
    const common = { kind: "step", step, loss, lr: 1e-3, norm: 1, ms: 250, tokens: TOKENS * step } as const;
    return { ...common, tokensPerSecond: 256, time, ...change(step) };
  });

const settings = {
  batch: 4,
  context: 16,
  steps: 300,
  accumulate: 1,
  lr: 3e-3,
  minLr: 3e-4,
  warmup: 30,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  decay: 0.1,
  clip: 1,
  seed: 1337,
  heldOut: 0.1,
  evalEvery: 20,
  sampleEvery: 100,
  saveEvery: 500,
  schedule: "cosine",
} as const satisfies RunRecord["settings"];

type Facts = Omit<RunRecord, "id" | "files" | "settings"> & {
  readonly settings: Partial<RunRecord["settings"]>;
};

/** Writes a run whose log holds `events`; `more`: what its record says differently. */
export async function writeRun(
  folder: string,
  events: readonly TrainEvent[],
  { settings: own, ...more }: Partial<Facts> = {},
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const facts = { model: "small", data: { sha256: "a".repeat(64) }, compiler: "0.1.0", ...more };
  const record = await newRecord({ ...facts, settings: { ...settings, ...own } }, new Map());
  writeFileSync(join(folder, "run.json"), await recordText(record));
  const lines = events.map((event) => logLine(more.stage ? withFieldNames(event) : event));
  writeFileSync(join(folder, "log.jsonl"), lines.join(""));
}
