/**
 * Runs a command, and waits as long as it makes progress. It has failed when it printed nothing, and no file
 * of its folder changed, for a long time. The total time does not matter, so that a busy machine, which takes
 * ten times as long, is no failure.
 */
import { spawn } from "node:child_process";
import { lstatSync, readdirSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

/** No verb is silent for this long, even beside many busy programs. */
export const QUIET_MS = 15 * 60_000;
const LOOK_MS = 2_000;

export interface PatientOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly stdin?: string;
  /** Called with everything that was printed so far. `stop` sends SIGINT to the command. */
  readonly onOutput?: (text: string, stop: () => void) => void;
  readonly quietMs?: number;
}

export interface Outcome {
  /** The exit code. For a command that a signal ended, as in shells: 128 and the signal's number. */
  readonly exit: number;
  readonly output: string;
  readonly stalled: boolean;
}

/** `command` is bash's; the first part of it that fails ends it. */
export function runPatiently(command: string, o: PatientOptions): Promise<Outcome> {
  const { cwd, env = process.env, stdin, onOutput, quietMs = QUIET_MS } = o;
  const child = spawn("bash", ["--norc", "-euo", "pipefail", "-c", command], {
    cwd,
    env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid!, name); // bash and what it has started
    } catch {
      // all of them have ended
    }
  };
  let output = "";
  let stalled = false;
  let state = "";
  let moved = performance.now();
  const heard = (chunk: Buffer): void => {
    output += chunk.toString();
    onOutput?.(output, () => signal("SIGINT"));
  };
  child.stdout.on("data", heard);
  child.stderr.on("data", heard);
  child.stdin.on("error", () => undefined); // it does not read what it is given
  child.stdin.end(stdin ?? "");
  const watch = setInterval(
    () => {
      const now = `${output.length} ${filesOf(cwd)}`;
      if (now !== state) moved = performance.now();
      state = now;
      if (performance.now() - moved < quietMs) return;
      stalled = true;
      signal("SIGKILL");
    },
    Math.min(LOOK_MS, quietMs),
  );
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, ended) => {
      clearInterval(watch);
      resolve({ exit: code ?? 128 + (constants.signals[ended ?? "SIGKILL"] ?? 0), output, stalled });
    });
  });
}

/**
 * The smallest of several times of the same task, in milliseconds; ends at the first below `limitMs`. A pause
 * of the machine happens once, whereas a slow task is slow again.
 */
export async function leastMs(limitMs: number, work: () => Promise<void>, tries = 8): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < tries && least >= limitMs; i++) {
    const began = performance.now();
    await work();
    least = Math.min(least, performance.now() - began);
  }
  return least;
}

/** Names, sizes and times of the files of a folder; what lies behind links is not looked at. */
function filesOf(folder: string): string {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((e) => !e.isSymbolicLink())
      .map((e) => {
        const path = join(folder, e.name);
        if (e.isDirectory()) return filesOf(path);
        const { size, mtimeMs } = lstatSync(path);
        return `${path} ${size} ${mtimeMs}`;
      })
      .join("\n");
  } catch {
    return ""; // a file was removed meanwhile: the next look sees that
  }
}
