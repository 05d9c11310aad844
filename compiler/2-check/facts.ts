/** THE table of facts that `expect` knows. */
import type { Model } from "../../runtime/contract/model.ts";
import { activeParameters, parameterCount } from "./parameters.ts";

export interface Fact {
  readonly doc: string;
  of(model: Model): number;
}

export const facts = {
  parameters: { doc: "All trained numbers; a tied output counts once.", of: parameterCount },
  active_parameters: {
    doc: "Those that one token uses: of `experts`, as many as it is sent to.",
    of: activeParameters,
  },
  vocab: { doc: "The setting.", of: ({ sizes }) => sizes.vocab },
  context: { doc: "The setting.", of: ({ sizes }) => sizes.context },
  width: { doc: "The setting.", of: ({ sizes }) => sizes.width },
  layers: { doc: "The setting.", of: ({ sizes }) => sizes.layers },
  heads: { doc: "The setting.", of: ({ sizes }) => sizes.heads },
  kv_heads: { doc: "The setting, or heads.", of: ({ sizes }) => sizes.kvHeads },
  head_dim: { doc: "The setting, or width / heads.", of: ({ sizes }) => sizes.headDim },
} satisfies Record<string, Fact>;

export type FactName = keyof typeof facts;
export const factNames = Object.keys(facts) as readonly FactName[];
export const isFact = (name: string): name is FactName => Object.hasOwn(facts, name);
