/**
 * A peer in a process of its own, so that its threads and memory do not disturb ours. Requests and answers
 * are lines of JSON (bench/peers/serve.ts).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { About, Rate, Request } from "../peers/serve.ts";

export type { Rate, Request };

export interface PeerProcess extends About {
  ask(request: Request): Promise<readonly Rate[]>;
  close(): Promise<void>;
}

interface Line extends Partial<About> {
  readonly rates?: readonly Rate[];
  readonly error?: string;
}

/** A request that takes longer has hung. */
const TIMEOUT_MS = 600_000;
const LAST_WORDS = 2000;

/** Rejects when the program cannot be started or says that it cannot work. */
export async function startPeer(command: string, args: readonly string[]): Promise<PeerProcess> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words = (words + text).slice(-LAST_WORDS)));
  child.stdin.on("error", () => undefined); // an ended child is found at the next line
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  failed.catch(() => undefined);
  const next = async (): Promise<Line> => {
    const { value, done } = await within(TIMEOUT_MS, Promise.race([lines.next(), failed]), child);
    if (done) throw new Error(lastLine(words) || "it ended without a word");
    const line = JSON.parse(value as string) as Line;
    if (line.error !== undefined) throw new Error(line.error);
    return line;
  };
  const close = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  try {
    const { about = "", vectors } = await next();
    return {
      about,
      ...(vectors !== undefined && { vectors }),
      close,
      async ask(request) {
        child.stdin.write(`${JSON.stringify(request)}\n`);
        return (await next()).rates ?? [];
      },
    };
  } catch (error) {
    if (child.pid !== undefined) await close();
    throw error;
  }
}

/** The last line that is not blank: Python ends its stack traces with the reason. */
const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";

async function within<T>(ms: number, work: Promise<T>, child: ChildProcess): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`no answer in ${ms / 1000} s`));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
