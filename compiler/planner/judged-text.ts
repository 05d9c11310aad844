/** A spec's plans with what they expect: as lines for people, and as JSON for programs. */
import { counted } from "../../runtime/contract/amounts.ts";
import type { FitName } from "./chinchilla.ts";
import type { JudgedFact, JudgedPlan } from "./judge-plans.ts";
import { foundText, planFacts } from "./plan-facts.ts";
import { planJson } from "./plan-text.ts";

/** "meta-405b: llama3.1-405b on 16,384 devices: NVIDIA H100 SXM 80 GB". */
export const judgedTitle = ({ block, plan: { settings } }: JudgedPlan): string =>
  `${block.name}: ${block.model.name} on ${counted(settings.devices, "device")}: ${settings.card.title}`;

/** "expect hours 30.8 M ± 15 %: met, found 29.9 M". */
export function judgedFactText({ fact, expected, tolerance, found, isMet }: JudgedFact): string {
  const said = `expect ${fact} ${planFacts[fact].text(expected)} ± ${tolerance} %`;
  return `${said}: ${isMet ? "met" : "MISSED"}, found ${foundText(fact, found)}`;
}

export const judgedJson = ({ block, plan, facts }: JudgedPlan, fit?: FitName): object => ({
  plan: block.name,
  ...planJson(plan, fit),
  expects: facts.map(({ fact, expected, tolerance, found, isMet }) => ({
    fact,
    expected,
    tolerance_percent: tolerance,
    found: found ?? null,
    met: isMet,
  })),
});
