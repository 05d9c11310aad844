/** One module on its way into a bundle: planned and emitted, not yet assembled. */
import type { Target } from "../op.ts";
import type { FusionEvent } from "../5-fuse/fuse.ts";
import type { Program } from "../6-tile/program.ts";
import type { Placement } from "../7-place/place.ts";

export interface BuiltModule {
  readonly name: "train" | "infer";
  readonly programs: ReadonlyMap<Target, readonly Program[]>;
  readonly placement: Placement;
  readonly fusions: ReadonlyMap<string, readonly FusionEvent[]>;
  readonly sources: ReadonlyMap<Target, string>;
}
