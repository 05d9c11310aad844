/**
 * Programs that do nothing but keep the processor busy: what holds on a quiet machine has to hold beside
 * them.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";

/** Each ends by itself when we do: it looks whether it still has its parent. */
const LOOP =
  "const parent = process.ppid; for (let i = 0; ; i++) if (i % 1e8 === 0 && process.ppid !== parent) " +
  "process.exit();";

/** Starts `perCore` for each core. Returns what ends them. */
export function keepBusy(perCore: number): () => void {
  const children = Array.from({ length: perCore * availableParallelism() }, () =>
    spawn(process.execPath, ["-e", LOOP], { stdio: "ignore" }),
  );
  return () => children.forEach((child) => child.kill("SIGKILL"));
}
