/** What a spec's plan may expect, computed: the other half of the table in 2-check/plan-fields.ts. */
import { sizeText, threeDigits } from "../../runtime/contract/amounts.ts";
import type { PlanFact } from "../2-check/plan-fields.ts";
import { amountText, dollarsText, flopsText } from "./amounts.ts";
import { servingOf, stepTokens, type TrainingPlan } from "./plan.ts";

/** From the lowest to the highest: both are the same where nothing is left open. */
export type Found = readonly [low: number, high: number];

interface Fact {
  /** Undefined: the plan does not know, because it has no price. */
  of(plan: TrainingPlan): Found | undefined;
  text(value: number): string;
}

const JOULES = 3.6e6; // of a kilowatt-hour
const one = (value: number): Found => [value, value];
const plain = { text: (n: number) => (n < 0.01 ? n.toExponential(2) : amountText(n)) } as const;
const flops = { text: flopsText } as const;
const share = { text: threeDigits } as const;

export const planFacts: Readonly<Record<PlanFact, Fact>> = {
  flops: { ...flops, of: ({ run }) => one(run.sixND) },
  flops_causal: { ...flops, of: ({ run }) => one(run.flops) },
  flops_full: { ...flops, of: ({ flops: each, run }) => one(each.full * run.tokens) },
  hours: { ...plain, of: ({ run }) => one(run.hours) },
  days: { text: threeDigits, of: ({ run }) => one(run.days) },
  cost: { text: dollarsText, of: ({ run }) => run.dollars },
  energy: { ...plain, of: ({ run }) => one(run.energy / JOULES) },
  memory: { text: sizeText, of: ({ memory }) => one(memory.bytes) },
  step_seconds: {
    text: threeDigits,
    of: ({ settings, tokensPerSecond }) => one(stepTokens(settings) / tokensPerSecond),
  },
  tokens_per_second: { ...plain, of: ({ tokensPerSecond }) => one(tokensPerSecond) },
  cache: { text: sizeText, of: (plan) => one(servingOf(plan).one.cacheBytes) },
  decode: {
    ...plain,
    of(plan) {
      const { devices, one: text } = servingOf(plan);
      return one(devices === 0 ? 0 : text.decodeRate);
    },
  },
  mfu: { ...share, of: ({ mfu }) => one(mfu.causal) },
  mfu_full: { ...share, of: ({ mfu }) => one(mfu.full) },
};

/** "$1.20 M", "$65.1 M to $379 M". */
export function foundText(fact: PlanFact, found: Found | undefined): string {
  if (!found) return "no price";
  const [low, high] = found.map((value) => planFacts[fact].text(value));
  return low === high ? low! : `${low!} to ${high!}`;
}
