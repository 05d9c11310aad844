/** What models cost: those of a table, and the one in the editor in other sizes. */
import { checkSource, type Checked } from "../../../../compiler/2-check/check.ts";
import { costsOf, type ModelCosts } from "../../../../compiler/planner/costs.ts";
import { estimate, heldBy, type Estimate, type Held } from "../../../../compiler/planner/estimate.ts";
import { publishedRunOf, type PublishedRun } from "../../../../compiler/planner/published-runs.ts";
import type { TrainingPlan } from "../../../../compiler/planner/plan.ts";
import { fastestSpread } from "../../../../compiler/planner/solve.ts";
import { choiceTable, type ChoiceTable } from "../../../../compiler/planner/solve-text.ts";
import type { Recompute } from "../../../../compiler/planner/tables/choices.ts";
import { scaleModel } from "../../../../compiler/planner/scale-model.ts";
import { acceleratorNamed, type Accelerator } from "../../../../compiler/planner/tables/hardware.ts";
import type { Sizes } from "../../../../runtime/contract/model.ts";

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
  /** A name of the table of accelerators, or of the text's own. */
  readonly card: string;
  /** Dollars for an hour of one. */
  readonly price?: number | undefined;
}

export interface AskedPlan extends AskedCost {
  readonly devices: number;
  /** Absent: whatever is fastest. */
  readonly recompute: Recompute | undefined;
}

/** How the model is trained on so many devices: the fastest way that fits, and what else may be chosen. */
export type PlannedCost = Pick<
  TrainingPlan,
  "settings" | "memory" | "fits" | "step" | "mfu" | "tokensPerSecond" | "run"
> & { readonly choices: ChoiceTable };

export interface Cost {
  readonly name: string;
  /** As they came out: heads go with the width. */
  readonly sizes: Sizes;
  readonly estimate: Estimate;
  readonly held: readonly Held[];
  /** Devices that the text has of its own. */
  readonly ownCards: readonly Accelerator[];
  /** What others have said; absent for changed sizes. */
  readonly published: PublishedRun | undefined;
}

/** The texts that were asked about: sliders ask about one again and again. */
const known = new Map<string, Checked>();
const MOST_TEXTS = 8;

function checkedOf(text: string): Checked {
  const checked = known.get(text) ?? checkSource(text);
  known.delete(text);
  known.set(text, checked);
  if (known.size > MOST_TEXTS) known.delete(known.keys().next().value!);
  return checked;
}

/** One that the text no longer has is the first of the menu. */
const cardOf = ({ text, card }: AskedCost): Accelerator =>
  checkedOf(text).hardware.get(card) ?? acceleratorNamed(card) ?? acceleratorNamed("h100")!;

/** Undefined: the text has no such model without errors. */
function estimateOf(asked: AskedCost) {
  const { text, model: name, changed = {}, tokens, price } = asked;
  const model = checkedOf(text).models.find((one) => one.name === name);
  if (!model) return undefined;
  const isPublished = Object.keys(changed).length === 0;
  const costs: ModelCosts = costsOf(isPublished ? model : scaleModel(model, changed));
  const made = estimate(costs, { tokens, card: cardOf(asked), price, isPublished });
  return { costs, made, isPublished };
}

/** "none": no way fits. */
function plannedCost(asked: AskedPlan): PlannedCost | "none" | undefined {
  const found = estimateOf(asked);
  if (!found) return undefined;
  const { devices, recompute } = asked;
  const card = cardOf(asked);
  const { tokens, prices } = found.made;
  // where a price is given, it is both the lowest and the highest
  const price = asked.price === undefined ? undefined : prices?.[0];
  const { best, choices } = fastestSpread(found.costs, { card, devices, tokens, recompute, price });
  if (!best) return "none";
  const { settings, memory, fits, step, mfu, tokensPerSecond, run } = best;
  return {
    settings,
    memory,
    fits,
    step,
    mfu,
    tokensPerSecond,
    run,
    choices: choiceTable(choices, "parallel"),
  };
}

export const costQuestions = {
  /** Undefined: the text has no such model without errors. */
  cost: (asked: AskedCost): Cost | undefined => {
    const found = estimateOf(asked);
    if (!found) return undefined;
    const { costs, made, isPublished } = found;
    const { name } = costs.model;
    const ownCards = [...checkedOf(asked.text).hardware.values()];
    return {
      name,
      sizes: costs.model.sizes,
      estimate: made,
      held: heldBy(made, ownCards),
      ownCards,
      published: isPublished ? publishedRunOf(name) : undefined,
    };
  },
  planned: plannedCost,
};
