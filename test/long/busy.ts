/** Programs that only keep the processor busy: what holds on a quiet machine has to hold beside them too. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";

/** Each of them checks that its parent is alive, and ends when it is not. */
const LOOP =
  "const parent = process.ppid; for (let i = 0; ; i++) if (i % 1e8 === 0 && process.ppid !== parent) " +
  "process.exit();";

/** Starts `perCore` of them for each core. Returns a function that ends them. */
export function keepBusy(perCore: number): () => void {
  const children = Array.from({ length: perCore * availableParallelism() }, () =>
    spawn(process.execPath, ["-e", LOOP], { stdio: "ignore" }),
  );
  return () => children.forEach((child) => child.kill("SIGKILL"));
}
