/** Asks llama.cpp in a process of its own: when native code crashes, only that process ends. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LlamaCppOptions, LlamaCppRequest } from "../../bench/peers/llama-cpp.ts";

const program = fileURLToPath(new URL("../../bench/peers/llama-cpp.ts", import.meta.url));
export const llamaCppHere = existsSync(
  fileURLToPath(new URL("../../bench/peers/node_modules/node-llama-cpp/package.json", import.meta.url)),
);
export const withoutLlamaCpp = llamaCppHere ? "" : "(skipped: npm ci --prefix bench/peers)";

export function askLlamaCpp<T>(
  path: string,
  requests: readonly LlamaCppRequest[],
  options: LlamaCppOptions = {},
  seconds = 900,
): readonly T[] {
  const said = execFileSync(process.execPath, [program, path, JSON.stringify(options)], {
    input: JSON.stringify(requests),
    encoding: "utf8",
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
    stdio: ["pipe", "pipe", "ignore"],
    maxBuffer: 1 << 28,
  });
  return JSON.parse(said.trimEnd().split("\n").at(-1)!) as readonly T[];
}

export interface Followed {
  readonly ids: readonly number[];
  readonly text: string;
  /** A row of logits [vocab] for each id: those that the id was chosen from. */
  readonly logits: readonly Float32Array[];
}

/** Greedy tokens with the logits of each. `scratch`: a file that is not there yet. */
export function llamaCppGreedy(
  path: string,
  prompt: readonly number[],
  count: number,
  scratch: string,
  options: LlamaCppOptions = { exact: true },
): Followed {
  const [found] = askLlamaCpp<Omit<Followed, "logits">>(
    path,
    [{ do: "greedy", prompt, count, logits: scratch }],
    options,
  );
  const all = new Float32Array(new Uint8Array(readFileSync(scratch)).buffer);
  const vocab = all.length / count;
  rmSync(scratch);
  return {
    ...found!,
    logits: Array.from({ length: count }, (_, i) => all.subarray(i * vocab, (i + 1) * vocab)),
  };
}
