/** The command line, called in this process. */
import { expect } from "vitest";
import { main } from "../../app/cli/main.ts";
import type { Io } from "../../app/cli/terminal/io.ts";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function run(...argv: readonly string[]): Promise<Said> {
  let out = "";
  let err = "";
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    tty: false,
    columns: 120,
    cwd: process.cwd(),
  };
  const code = await main(argv, io);
  return { code, out, err };
}

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
