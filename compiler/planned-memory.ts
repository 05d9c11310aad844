/** How many bytes a planned module takes, in all its memories, on a machine of so many cores. */
import { bytesFor, type Placement } from "./7-place/place.ts";
import type { ModulePlan } from "./plan.ts";
import { defaultWorkers, PLANNED_WORKERS } from "../runtime/contract/worker-memory.ts";

/** A module fits in one memory, or cut into several. */
export const fits = (plan: ModulePlan): boolean => plan.over?.tooLarge === undefined;

/** A module's memories: its partitions', or the one that it has. */
export const placements = ({ placement, over }: ModulePlan): readonly Placement[] =>
  over?.partitions?.map((part) => part.placement) ?? [placement];

/** Bytes of all memories of a module together. */
export const memoryBytes = (plan: ModulePlan, workers: number): number =>
  placements(plan).reduce((sum, placement) => sum + bytesFor(placement, workers), 0);

/** Bytes that one worker more takes, in all memories of a module together. */
export const workerBytes = (plan: ModulePlan): number =>
  placements(plan).reduce((sum, { worker }) => sum + worker.bytes, 0);

/** How many workers a module has on a machine of so many cores, where nothing else is said. */
export const workersOn = (plan: ModulePlan, cores: number): number =>
  defaultWorkers(
    placements(plan).map(({ bytes, worker }) => ({
      memoryBytes: bytes,
      maxWorkers: PLANNED_WORKERS,
      workerBytes: worker.bytes,
    })),
    cores,
  );
