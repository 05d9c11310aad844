/** A program in a process of its own, for tests that send it signals or limit what it may do. */
import { spawn, type ChildProcess } from "node:child_process";

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

export interface ProcessOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Called whenever something was printed, with all of it, and the program that printed it. */
  said?(text: string, child: ChildProcess): void;
}

export interface OwnProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a program without standard input. */
export function ownProcess(command: string, args: readonly string[], o: ProcessOptions): OwnProcess {
  const child = spawn(command, args, {
    cwd: o.cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...o.env },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    o.said?.(out, child);
  });
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Ended>((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal, out, err })),
  );
  return { child, ended };
}
