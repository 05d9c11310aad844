/** The memory of the machine that Node runs on, or of the container. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import type { MachineMemory } from "../engine/machine-memory.ts";

export function machineMemory(): MachineMemory {
  // where nothing is limited, Node says 0 or a number beyond every machine
  const total = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  return { total, swap: swapBytes(), available: Math.min(total, process.availableMemory()) };
}

/** What Linux says of its swap. 0: there is none, or another system does not say. */
function swapBytes(): number {
  let facts: string;
  try {
    facts = readFileSync("/proc/meminfo", "utf8");
  } catch {
    return 0;
  }
  return 1024 * Number(/^SwapTotal:\s+(\d+) kB$/m.exec(facts)?.[1] ?? 0);
}
