/** The command line, called in this process from the folder that the tests run in. */
import { expect } from "vitest";
import { inside, type Said } from "./inside.ts";

export const run = (...argv: readonly string[]): Promise<Said> => inside(argv, process.cwd(), 120);

/** Runs a verb that must succeed. Returns what it wrote. */
export async function sinter(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await run(...argv);
  expect(code, err).toBe(0);
  return out;
}

/** Trains the spec in a file into the folder `out`, in the way that gives the same bits everywhere. */
export function trainSmall(spec: string, out: string, ...more: readonly string[]): Promise<string> {
  const flags = "--workers 1 --target simd --eval-every 0".split(" ");
  return sinter("train", spec, "--out", out, ...more, ...flags);
}
