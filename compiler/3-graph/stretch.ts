/**
 * Which piece of the model a graph computes. The whole model is one stretch; one that several memories hold
 * is cut into several (cut.ts).
 */
import type { Model } from "../../runtime/contract/model.ts";

export interface Stretch {
  /**
   * Begins with the embedding of tokens; otherwise with the rows [R, width] that the stretch before has left.
   */
  readonly embed: boolean;
  /** Layers from … to-1. */
  readonly from: number;
  readonly to: number;
  /** Ends with logits and losses; otherwise with rows for the next. */
  readonly output: boolean;
}

export const wholeModel = (model: Pick<Model, "sizes">): Stretch => ({
  embed: true,
  from: 0,
  to: model.sizes.layers,
  output: true,
});
