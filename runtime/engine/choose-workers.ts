/** How many workers a model gets: as many as are asked for, or one for each core, if its memory has room. */
import { counted, thousands } from "../contract/amounts.ts";
import { MAX_WORKERS } from "../contract/control.ts";
import type { ModuleManifest } from "../contract/manifest.ts";
import { MEMORY_LIMIT } from "../contract/memory-import.ts";
import { defaultWorkers, isWorkerCount, memoryBytesFor, mostWorkers } from "../contract/worker-memory.ts";
import { SinterError } from "../base/errors.ts";
import type { Host } from "./host.ts";
import { partitionManifests } from "./partitions.ts";
import { threadsSupported } from "./probe.ts";

/** Throws `input` or `memory` where there cannot be as many as `asked`, or as the machine's user wishes. */
export function workersFor(module: ModuleManifest, host: Host, asked: number | undefined): number {
  const memories = partitionManifests(module);
  if (asked !== undefined) checkNumber(memories, asked);
  const wanted = asked ?? defaultWorkers(memories, host.cores);
  if (wanted === 1 || threadsSupported()) return wanted;
  if (asked === undefined) return 1;
  throw new SinterError(
    "input",
    "this host has no shared memory, so there can be one worker only",
    "A page has it when it is served with Cross-Origin-Opener-Policy: same-origin and " +
      "Cross-Origin-Embedder-Policy: require-corp.",
  );
}

function checkNumber(memories: readonly ModuleManifest[], workers: number): void {
  if (!isWorkerCount(workers))
    throw new SinterError("input", `${workers} workers: there can be 1 to ${MAX_WORKERS}`);
  const most = mostWorkers(memories);
  if (workers <= most) return;
  const old = memories.find((memory) => memory.workerBytes === undefined);
  if (old)
    throw new SinterError(
      "input",
      `${workers} workers, but this module was compiled for at most ${old.maxWorkers}`,
      "Compile the spec again: sinter compile SPEC -o DIR",
    );
  const bytes = Math.max(...memories.map((memory) => memoryBytesFor(memory, workers)));
  throw new SinterError(
    "memory",
    `${workers} workers need ${thousands(bytes)} bytes of one memory, ` +
      `which ends at ${thousands(MEMORY_LIMIT)}`,
    most > 0
      ? `There is room for ${counted(most, "worker")}; more have it in a model that is compiled with a ` +
          "smaller --memory-limit."
      : "Use a smaller batch, context or model: sinter check SPEC prints what each needs.",
  );
}
