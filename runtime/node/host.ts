/** Node as a host: worker threads, and flags of V8. */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";
import { SinterError } from "../base/errors.ts";
import { MAX_WORKERS } from "../contract/control.ts";
import { isWorkerCount } from "../contract/worker-memory.ts";
import type { Host } from "../engine/host.ts";
import { fetchFiles } from "../browser/fetch-files.ts";
import { nodeFiles } from "./files.ts";
import { nodeFindings } from "./findings.ts";
import { machineMemory } from "./machine-memory.ts";
import { startPool } from "./pool.ts";
import { touch } from "./touch.ts";

const JOIN = "experimental-wasm-revectorize";

/**
 * Rounds of the event loop in which timers and messages are let in: a connection is accepted, read and heard
 * to close in a round each, and a server whose model runs on its own thread has no others.
 */
const ROUNDS = 4;

/** Says how many workers a model has where nothing else does. */
export const WORKERS_VARIABLE = "SINTER_WORKERS";

/** Throws `usage` where it is no such number; undefined: it is not set. */
function workersOf(environment: NodeJS.ProcessEnv): number | undefined {
  const said = environment[WORKERS_VARIABLE];
  if (said === undefined || said === "") return undefined;
  const workers = Number(said);
  if (isWorkerCount(workers)) return workers;
  throw new SinterError(
    "usage",
    `${WORKERS_VARIABLE} takes a whole number from 1 to ${MAX_WORKERS}, not \`${said}\``,
    `for example ${WORKERS_VARIABLE}=2`,
  );
}

export const nodeHost: Host & Required<Pick<Host, "machineMemory">> = {
  cores: availableParallelism(),
  get workers() {
    return workersOf(process.env);
  },
  enableWide() {
    v8.setFlagsFromString(`--${JOIN}`);
    return true;
  },
  // The baseline compiler's code is never joined to 256 bits, and it is what a first call would meet.
  compile(bytes, joined) {
    if (joined === false) v8.setFlagsFromString(`--no-${JOIN}`);
    v8.setFlagsFromString("--no-liftoff");
    v8.setFlagsFromString("--no-wasm-lazy-compilation");
    try {
      return new WebAssembly.Module(bytes);
    } finally {
      v8.setFlagsFromString("--liftoff");
      v8.setFlagsFromString("--wasm-lazy-compilation");
      if (joined === false) v8.setFlagsFromString(`--${JOIN}`);
    }
  },
  startPool: (plan) => startPool(plan),
  touch,
  machineMemory,
  findings: nodeFindings,
  async breathe() {
    for (let round = 0; round < ROUNDS; round++) await new Promise((resolve) => setImmediate(resolve));
  },
  readUrl: (url) =>
    url.startsWith("file:") ? nodeFiles().read(fileURLToPath(url)) : fetchFiles(url).read(url),
};
