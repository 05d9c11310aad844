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
