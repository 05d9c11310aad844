/**
 * What a module needs before any code is made of it: programs, an address for everything, and over how many
 * memories it goes. Where one memory does not hold a module, it is cut into partitions.
 */
import type { ModuleName, Numerics } from "../runtime/contract/manifest.ts";
import type { Lora, Model } from "../runtime/contract/model.ts";
import type { Objective } from "../runtime/contract/objective.ts";
import type { Target } from "../runtime/contract/targets.ts";
import { partitionModel, type Cut, type Partition } from "./3-graph/partition.ts";
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

/** What no memory holds, and is not cut further. */
export type TooLarge = Extract<Cut, { tooLarge: string }>["tooLarge"];

/** Plans one memory's share of the model. `folder` is that of its dumps; without one, nothing is dumped. */
export type PlanPartition = (partition: Partition, folder?: string) => PartitionPlan;

/** The module in one memory, or over as many as it takes. */
export function planMemories(model: Model, name: ModuleName, limit: number, plan: PlanPartition): ModulePlan {
  const whole = plan([wholeModel(model)], name);
  if (whole.placement.bytes <= limit) return whole;
  const bytesOf = (partition: Partition): number => plan(partition).placement.bytes;
  // an arena may have gaps that a sum of layers does not foresee: then a little less is asked for
  for (let asked = limit; ;) {
    const cut = partitionModel(model, asked, bytesOf);
    if ("tooLarge" in cut)
      return { ...whole, over: { limit, tooLarge: { what: cut.tooLarge, plan: plan(cut.partition) } } };
    const most = Math.max(...cut.partitions.map(bytesOf));
    if (most > limit) asked -= most - limit;
    else
      return {
        ...whole,
        over: {
          limit,
          partitions: cut.partitions.map((partition, i) => plan(partition, `${name}/part${i}`)),
        },
      };
  }
}
