/** What models cost: those of a table, and the one in the editor in other sizes. */
import { checkSource } from "../../../../compiler/2-check/check.ts";
import { costsOf, type ModelCosts } from "../../../../compiler/planner/costs.ts";
import { estimate, heldBy, type Estimate, type Held } from "../../../../compiler/planner/estimate.ts";
import { publishedRunOf, type PublishedRun } from "../../../../compiler/planner/published-runs.ts";
import { scaleModel } from "../../../../compiler/planner/scale-model.ts";
import { acceleratorNamed } from "../../../../compiler/planner/tables/hardware.ts";
import type { Model, Sizes } from "../../../../runtime/contract/model.ts";

/** What the sliders change; what is absent is as the spec has it. */
export interface Changed {
  readonly width?: number;
  readonly layers?: number;
  readonly context?: number;
}

export interface AskedCost {
  readonly text: string;
  readonly model: string;
  readonly changed?: Changed;
  readonly tokens?: number | undefined;
  /** A name of the table of accelerators. */
  readonly card: string;
  /** Dollars for an hour of one. */
  readonly price?: number | undefined;
}

export interface Cost {
  readonly name: string;
  /** As they came out: heads go with the width. */
  readonly sizes: Sizes;
  readonly estimate: Estimate;
  readonly held: readonly Held[];
  /** What others have said; absent for changed sizes. */
  readonly published: PublishedRun | undefined;
}

/** Models of the texts that were asked about, by name: sliders ask about one again and again. */
const known = new Map<string, readonly Model[]>();
const MOST_TEXTS = 8;

function modelsOf(text: string): readonly Model[] {
  const models = known.get(text) ?? checkSource(text).models;
  known.delete(text);
  known.set(text, models);
  if (known.size > MOST_TEXTS) known.delete(known.keys().next().value!);
  return models;
}

export const costQuestions = {
  /** Undefined: the text has no such model without errors. */
  cost: ({ text, model: name, changed = {}, tokens, card, price }: AskedCost): Cost | undefined => {
    const model = modelsOf(text).find((one) => one.name === name);
    if (!model) return undefined;
    const isPublished = Object.keys(changed).length === 0;
    const costs: ModelCosts = costsOf(isPublished ? model : scaleModel(model, changed));
    const made = estimate(costs, { tokens, card: acceleratorNamed(card)!, price, isPublished });
    return {
      name,
      sizes: costs.model.sizes,
      estimate: made,
      held: heldBy(made),
      published: isPublished ? publishedRunOf(name) : undefined,
    };
  },
};
