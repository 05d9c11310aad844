/**
 * Whether a machine has the memory that a module is going to fill. A WebAssembly memory is given at once,
 * whatever its size, and gets its pages as they are written: what is too large would begin, and be ended by
 * the system in the middle of its work. So it is asked before anything is allocated.
 *
 * What a module needs is what is written for certain. Keys and values of positions that no text reaches cost
 * nothing, and are not counted; neither is what only training writes, in a module that only infers.
 */
import { percent, sizeText, thousands } from "../contract/amounts.ts";
import type { ModuleManifest, ModuleName } from "../contract/manifest.ts";
import type { Storage } from "../contract/storage.ts";
import { memoryBytesFor } from "../contract/worker-memory.ts";
import { SinterError } from "../base/errors.ts";
import { partitionManifests } from "./partitions.ts";

/** In bytes. */
export interface MachineMemory {
  /** All that this process may ever have, where a container's limit is smaller: that. */
  readonly total: number;
  /** The system's file for pages that have no room: it counts like memory, at the speed of a disk. */
  readonly swap: number;
  /** What of `total` nobody holds now. Other programs may end, so it is no bound. */
  readonly available: number;
}

/** Bytes by what they are for, the largest first where it is shown. */
export type NeededMemory = Readonly<Record<string, number>>;

export const neededBytes = (needed: NeededMemory): number =>
  Object.values(needed).reduce((sum, bytes) => sum + bytes, 0);

/**
 * What is written for certain of all memories of a module that trains or infers. `use`: what it is loaded
 * for, since one that trains can infer, too.
 */
export function neededMemory(
  module: ModuleManifest,
  name: ModuleName,
  workers: number,
  use = name,
): NeededMemory {
  const memories = partitionManifests(module);
  const sum = (of: (memory: ModuleManifest) => number): number =>
    memories.reduce((bytes, memory) => bytes + of(memory), 0);
  const stored = (...kinds: readonly Storage[]): number => sum((memory) => storedBytes(memory, kinds));
  const weights = stored("parameter");
  const forWorkers = sum(({ workerBytes = 0 }) => workers * workerBytes);
  // entries that infer write few of the activations that there is room for
  if (name === "train" && use === "infer") return { weights, workers: forWorkers };
  const gradients = stored("gradient");
  const moments = stored("moment1", "moment2");
  const all = sum((memory) => memoryBytesFor(memory, workers));
  const caches = sum(({ cache }) => cache?.bytes ?? 0);
  const activations = all - caches - weights - gradients - moments - forWorkers;
  return { weights, gradients, moments, activations, workers: forWorkers };
}

const storedBytes = ({ tensors }: ModuleManifest, kinds: readonly Storage[]): number =>
  tensors
    .filter(({ storage }) => kinds.includes(storage))
    .reduce((bytes, { stride, slices }) => bytes + stride * slices, 0);

/** "training gpt2": what takes the memory. */
export const workText = (model: string, use: ModuleName): string =>
  `${use === "train" ? "training" : "running"} ${model}`;

/** What to do where nothing more is known of the model than its module. */
export const smallerHints: Readonly<Record<ModuleName, string>> = {
  train:
    "Train with `optimizer adamw8`, `recompute layers`, a smaller batch, context or width: " +
    "sinter check SPEC prints what each needs.",
  infer: "Keep its weights in fewer bits (--weights q8_0), or use a smaller model.",
};

/** Throws `memory` where the machine can never have as much. `what`: "training GPT-2 XL". */
export function refuseBeyond(
  what: string,
  needed: NeededMemory,
  machine: MachineMemory,
  hint: string | (() => string),
): void {
  if (!isBeyond(needed, machine)) return;
  const { total, swap, available } = machine;
  const swapped = swap > 0 ? ` and ${sizeText(swap)} of swap` : "";
  throw new SinterError(
    "memory",
    `${what} takes ${neededText(needed)}, and this machine has ${sizeText(total)}${swapped} ` +
      `(${sizeText(available)} available now)`,
    typeof hint === "string" ? hint : hint(),
  );
}

export const isBeyond = (needed: NeededMemory, { total, swap }: MachineMemory): boolean =>
  neededBytes(needed) > total + swap;

/** A note for whoever may run out of memory. Undefined: as much is available, or it is refused. */
export function scarceText(what: string, needed: NeededMemory, machine: MachineMemory): string | undefined {
  const { total, available } = machine;
  const bytes = neededBytes(needed);
  if (bytes <= available || isBeyond(needed, machine)) return undefined;
  return (
    `${what} takes ${neededText(needed)}, and of this machine's ${sizeText(total)} only ` +
    `${sizeText(available)} (${percent(available / bytes)} of it) is available now: unless other programs ` +
    "end, the system may end this one"
  );
}

/** "21,474,836,480 bytes (20 GiB: moments 8 GiB, weights 4 GiB, …)", without parts below a thousandth. */
function neededText(needed: NeededMemory): string {
  const bytes = neededBytes(needed);
  const parts = Object.entries(needed)
    .filter(([, part]) => part >= bytes / 1000)
    .sort(([, a], [, b]) => b - a)
    .map(([name, part]) => `${name} ${sizeText(part)}`);
  return `${thousands(bytes)} bytes (${sizeText(bytes)}: ${parts.join(", ")})`;
}
