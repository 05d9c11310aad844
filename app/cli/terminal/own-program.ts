/** This program once more, in a process of its own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const MOST_OUTPUT = 64 << 20;

/** Waits for its end; gives what it wrote on standard output. Rejects where it failed, or was given up. */
export async function ownProgram(words: readonly string[], signal: AbortSignal): Promise<string> {
  const args = [...process.execArgv, process.argv[1]!, ...words];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal, maxBuffer: MOST_OUTPUT });
  return stdout;
}
