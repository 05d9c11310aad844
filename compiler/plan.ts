/**
 * What a module needs before any code is made of it: programs, an address for everything, and over how many
 * memories it goes. Where one memory does not hold an infer module, it is cut into partitions.
 */
import type { ModuleName, Numerics } from "../runtime/contract/manifest.ts";
import type { Lora, Model } from "../runtime/contract/model.ts";
import type { Objective } from "../runtime/contract/objective.ts";
import type { Target } from "../runtime/contract/targets.ts";
import { partitionModel, type Cut, type Partition } from "./3-graph/partition.ts";
import { partitionText } from "./3-graph/print.ts";
import { wholeModel } from "./3-graph/segment.ts";
import type { FusionEvent } from "./5-fuse/fuse.ts";
import type { Program } from "./6-tile/program.ts";
import type { Placement } from "./7-place/place.ts";

/** What one memory holds, and what runs on it. */
export interface PartitionPlan {
  readonly name: ModuleName;
  readonly partition: Partition;
  /** How many texts' keys and values there is room for. */
  readonly lanes: number;
  readonly numerics: Numerics;
  readonly programs: ReadonlyMap<Target, readonly Program[]>;
  readonly placement: Placement;
  readonly fusions: ReadonlyMap<string, readonly FusionEvent[]>;
  readonly objective?: Objective;
  readonly lora?: Lora;
}

/** A module as one memory of any size would hold it. */
export interface ModulePlan extends PartitionPlan {
  /** Absent: one memory holds it. */
  readonly over?: {
    readonly limit: number;
    readonly partitions?: readonly PartitionPlan[];
    readonly tooLarge?: { readonly what: TooLarge; readonly plan: PartitionPlan };
  };
}

/** What no memory holds: all of a training module, or a piece that is not cut further. */
export type TooLarge = "training" | Extract<Cut, { tooLarge: string }>["tooLarge"];

/** Plans one memory's share of the model. `folder` is that of its dumps; without one, nothing is dumped. */
export type PlanPartition = (partition: Partition, folder?: string) => PartitionPlan;

/** The module in one memory, or over as many as it takes. */
export function planMemories(model: Model, name: ModuleName, limit: number, plan: PlanPartition): ModulePlan {
  const whole = plan([wholeModel(model)], name);
  if (whole.placement.bytes <= limit) return whole;
  if (name === "train") return { ...whole, over: { limit, tooLarge: { what: "training", plan: whole } } };
  const cut = partitionModel(model, limit, (partition) => plan(partition).placement.bytes);
  if ("tooLarge" in cut)
    return { ...whole, over: { limit, tooLarge: { what: cut.tooLarge, plan: plan(cut.partition) } } };
  const partitions = cut.partitions.map((partition, i) => plan(partition, `${name}/part${i}`));
  for (const { partition, placement } of partitions)
    if (placement.bytes > limit)
      throw new Error(`${partitionText(model, partition)} has ${placement.bytes} bytes, more than ${limit}`);
  return { ...whole, over: { limit, partitions } };
}
