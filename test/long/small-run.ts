/**
 * A run that trains in half a second and was stopped between two of its five checkpoints. Campaigns and tests
 * damage copies of it.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inside } from "../support/inside.ts";

export const STEPS = 10;
export const checkpointName = (step: number): string => `step-${String(step).padStart(6, "0")}.safetensors`;

const SPEC = `model small {
  vocab 32  context 16  width 16  layers 1  heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x), hidden: 32, activation: gelu)
  }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { batch 2  context 16  steps ${STEPS}  lr 1e-2  eval_every 0  save_every 2 }
  sample { tokens 12 }
}
`;
const TEXT = "The quick brown fox jumps over the lazy dog, and runs.\n".repeat(30);

/**
 * `whole` is a run that was trained to its end; `half` has the checkpoints up to step 6. Throws when they
 * cannot be made.
 */
export async function smallRun(at: string): Promise<{ readonly whole: string; readonly half: string }> {
  rmSync(at, { recursive: true, force: true });
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "small.sinter"), SPEC);
  writeFileSync(join(at, "text.txt"), TEXT);
  const made = await inside(
    [
      "train",
      "small.sinter",
      "--data",
      "text.txt",
      "--out",
      "whole",
      "--target",
      "simd",
      "--workers",
      "1",
      "--keep",
      "9",
    ],
    at,
  );
  if (made.code !== 0) throw new Error(`the small run ended with ${made.code}: ${made.err}`);
  const whole = join(at, "whole");
  const half = join(at, "half");
  cpSync(whole, half, { recursive: true });
  for (const step of [8, 10]) rmSync(join(half, checkpointName(step)));
  return { whole, half };
}

/** Resumes the run to its end, on one worker. */
export const resumeArgs = (name: string): string[] => [
  "train",
  "--resume",
  "--out",
  name,
  "--workers",
  "1",
  "--keep",
  "9",
  "--json",
];
