/**
 * A run of layers, with or without the model's beginning and end: what one graph computes. The whole model is
 * one segment; a model that is divided over several memories has several (partition.ts).
 */
import type { Model } from "../../runtime/contract/model.ts";

export interface Segment {
  /** It begins with the embedding of tokens; otherwise with the rows [R, width] of the segment before. */
  readonly embed: boolean;
  /** Its layers are from … to-1, counted in the whole model. */
  readonly from: number;
  readonly to: number;
  /** It ends with logits and losses; otherwise with rows for the next segment. */
  readonly output: boolean;
}

export const wholeModel = (model: Pick<Model, "sizes">): Segment => ({
  embed: true,
  from: 0,
  to: model.sizes.layers,
  output: true,
});
