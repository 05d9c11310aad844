/**
 * Runs the command line in this process, for tests and campaigns. Returns what it prints and its exit code.
 */
import { main } from "../../app/cli/main.ts";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function inside(args: readonly string[], cwd: string, columns = 100): Promise<Said> {
  let out = "";
  let err = "";
  const io = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    tty: false,
    columns,
    cwd,
  };
  const code = await main(args, io);
  return { code, out, err };
}
