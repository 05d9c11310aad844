/** One module on its way into a bundle: planned and emitted, not yet assembled. */
import type { ModuleName } from "../../runtime/contract/manifest.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { Part } from "../3-graph/cut.ts";
import type { FusionEvent } from "../5-fuse/fuse.ts";
import type { Program } from "../6-tile/program.ts";
import type { Placement } from "../7-place/place.ts";

export interface BuiltModule {
  readonly name: ModuleName;
  readonly part: Part;
  readonly programs: ReadonlyMap<Target, readonly Program[]>;
  readonly placement: Placement;
  readonly fusions: ReadonlyMap<string, readonly FusionEvent[]>;
  /** None where it has parts: then they have them. */
  readonly sources: ReadonlyMap<Target, string>;
  readonly parts?: readonly BuiltModule[];
}
