/**
 * Reads what V8 reports about the pairs that it joins, when it compiles kernels with its optimizing compiler
 * only.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Case, Op } from "../../compiler/ops/kit/op.ts";
import { kernelBenches } from "../../bench/measure/kernel-bench.ts";

/** Flags for a process that begins with the optimizing compiler: the baseline compiler joins no pairs. */
export const optimizingOnly = [
  "--experimental-wasm-revectorize",
  "--no-liftoff",
  "--no-wasm-tier-up",
] as const;

export async function joinTrace(name: string, op: Op, cases: readonly Case[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sinter-joins-"));
  const wasm = join(folder, "kernel.wasm");
  const file = openSync(join(folder, "trace"), "w"); // V8 loses lines that a pipe is too slow for
  try {
    await kernelBenches(name, op, cases, "wide", (bytes) => {
      writeFileSync(wasm, bytes);
      return new WebAssembly.Module(bytes);
    });
    const flags = [...optimizingOnly, "--no-wasm-lazy-compilation", "--trace-wasm-revectorize"];
    execFileSync(
      process.execPath,
      [...flags, "-e", "new WebAssembly.Module(require('fs').readFileSync(process.argv[1]))", wasm],
      { stdio: ["ignore", file, "inherit"] },
    );
    return readFileSync(join(folder, "trace"), "utf8");
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}
