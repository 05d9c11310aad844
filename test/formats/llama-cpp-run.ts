/** llama.cpp as a peer of tests: whether it is here, and its greedy tokens. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const llamaCpp = existsSync(fileURLToPath(new URL("../../bench/peers/node_modules/node-llama-cpp/package.json", import.meta.url)));
export const withoutLlamaCpp = llamaCpp ? "" : "(skipped: npm ci --prefix bench/peers)";

/** In a process of its own: native code that fails takes its process with it. */
export function llamaCppGreedy(path: string, ids: readonly number[], count: number): { ids: number[]; text: string; prompt: number[] } {
  const script = fileURLToPath(new URL("llama-cpp.ts", import.meta.url));
  const said = execFileSync(process.execPath, [script, path, ids.join(), `${count}`], { encoding: "utf8", timeout: 100_000, killSignal: "SIGKILL", stdio: ["ignore", "pipe", "ignore"] });
  return JSON.parse(said.trim().split("\n").at(-1)!) as { ids: number[]; text: string; prompt: number[] };
}
