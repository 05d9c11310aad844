/** The command line as a process of its own, for campaigns. */
import { spawn } from "node:child_process";
import type { Fault } from "./fault.ts";
import { SINTER } from "../support/paths.ts";

const FAULT = new URL("./fault.ts", import.meta.url).href;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

export interface Start {
  readonly cwd: string;
  readonly fault?: Fault;
  /** Milliseconds until a SIGKILL is sent. */
  readonly killAfter?: number | undefined;
  /** Text on standard output at which a SIGKILL is sent. */
  readonly killAt?: string | undefined;
}

export function sinter(args: readonly string[], { cwd, fault, killAfter, killAt }: Start): Promise<Ended> {
  const began = performance.now();
  const env = fault ? { ...process.env, SINTER_FAULT: JSON.stringify(fault) } : process.env;
  const child = spawn(process.execPath, [...(fault ? ["--import", FAULT] : []), SINTER, ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfter);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    if (killAt !== undefined && out.includes(killAt)) child.kill("SIGKILL");
  });
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve) =>
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, out, err, ms: performance.now() - began });
    }),
  );
}
