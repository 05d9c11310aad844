/** One module on its way into a bundle: planned and emitted, not yet assembled. */
import type { ModuleName, Numerics } from "../../runtime/contract/manifest.ts";
import type { Lora } from "../../runtime/contract/model.ts";
import type { Objective } from "../../runtime/contract/objective.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { Partition } from "../3-graph/partition.ts";
import type { FusionEvent } from "../5-fuse/fuse.ts";
import type { Program } from "../6-tile/program.ts";
import type { Placement } from "../7-place/place.ts";

export interface BuiltModule {
  readonly name: ModuleName;
  readonly partition: Partition;
  readonly lanes: number;
  readonly numerics: Numerics;
  readonly programs: ReadonlyMap<Target, readonly Program[]>;
  readonly placement: Placement;
  readonly fusions: ReadonlyMap<string, readonly FusionEvent[]>;
  readonly objective?: Objective;
  readonly lora?: Lora;
  /** Empty where there are partitions, which then have the sources. */
  readonly sources: ReadonlyMap<Target, string>;
  readonly partitions?: readonly BuiltModule[];
}
