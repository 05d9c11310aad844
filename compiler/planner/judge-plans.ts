/**
 * A spec's plans, computed: whether each divides, fits, and has what it expects. `sinter check`, `sinter
 * plan` and editors ask this; what only compiles a model does not, since a model is free of machines.
 */
import { sizeText, thousands } from "../../runtime/contract/amounts.ts";
import { checkSource, type Checked, type CheckOptions } from "../2-check/check.ts";
import type { CheckedPlan, PlanExpectation } from "../2-check/check-plans.ts";
import type { PlanFact } from "../2-check/plan-fields.ts";
import { diagnostic, tidy, type Diagnostic, type Reporter } from "../diagnostics/report.ts";
import { costsOf, type ModelCosts } from "./costs.ts";
import { planTraining, settingsOf, type Asked, type TrainingPlan, type UnevenBatch } from "./plan.ts";
import { foundText, planFacts, type Found } from "./plan-facts.ts";
import { givenPrice } from "./tables/hardware.ts";

export interface JudgedPlan {
  readonly block: CheckedPlan;
  readonly plan: TrainingPlan;
  readonly facts: readonly JudgedFact[];
}

export interface JudgedFact {
  readonly fact: PlanFact;
  readonly expected: number;
  /** Percent. */
  readonly tolerance: number;
  /** Undefined: the plan has no price. */
  readonly found: Found | undefined;
  readonly isMet: boolean;
}

export interface CheckedWithPlans extends Checked {
  /** Plans that could be computed. */
  readonly judged: readonly JudgedPlan[];
}

export const checkWithPlans = (source: string, options: CheckOptions = {}): CheckedWithPlans =>
  withPlans(checkSource(source, options));

export function withPlans(checked: Checked): CheckedWithPlans {
  const found: Diagnostic[] = [...checked.diagnostics];
  const report: Reporter = (code, span, details, notes) =>
    void found.push(diagnostic(code, span, details, notes));
  const known = new Map<string, ModelCosts>();
  const judged = checked.plans.flatMap((block) => {
    const { model } = block;
    const costs = known.get(model.name) ?? costsOf(model);
    known.set(model.name, costs);
    return judge(block, costs, report) ?? [];
  });
  return { ...checked, judged, diagnostics: tidy(found) };
}

/** What a block asks; what it does not say has the planner's defaults. */
export function askedOf({ card, settings: s }: CheckedPlan): Asked {
  return {
    ...s,
    card,
    devices: s.devices ?? card.node,
    batchTokens: s.batch_tokens,
    lossChunks: s.loss_chunks,
    mfu: s.mfu === undefined ? undefined : { value: s.mfu, convention: s.convention ?? "causal" },
    price: s.price === undefined ? undefined : givenPrice(s.price, s.price_kind, s.price_year),
  };
}

function judge(block: CheckedPlan, costs: ModelCosts, report: Reporter): JudgedPlan | undefined {
  const settings = settingsOf(costs, askedOf(block));
  if ("together" in settings) {
    refuseUneven(block, settings, report);
    return undefined;
  }
  const plan = planTraining(costs, settings);
  refuseMisfits(block, plan, report);
  refuseReplicas(block, plan, report);
  const facts = block.expects.map((expected): JudgedFact => {
    const found = planFacts[expected.fact].of(plan);
    const isMet = isWithin(found, expected);
    if (!isMet) refuseFact(expected, found, report);
    return { fact: expected.fact, expected: expected.value, tolerance: expected.tolerance, found, isMet };
  });
  return { block, plan, facts };
}

/** All of what was found lies within the tolerance. */
const isWithin = (found: Found | undefined, { value, tolerance }: PlanExpectation): boolean =>
  found !== undefined && found.every((n) => Math.abs(n - value) <= (tolerance / 100) * Math.abs(value));

function refuseFact(
  { fact, value, tolerance, span }: PlanExpectation,
  found: Found | undefined,
  report: Reporter,
): void {
  report("E0703", span, {
    fact,
    expected: `${planFacts[fact].text(value)} ± ${tolerance} %`,
    found: foundText(fact, found),
    instead: found && `expect ${fact} ${asWritten(found, tolerance)}`,
  });
}

/** "3.14e23 ± 1%": the middle of what was found, and as much to both sides as it has or as was allowed. */
function asWritten([low, high]: Found, tolerance: number): string {
  const middle = Number(((low + high) / 2).toPrecision(4));
  const off = Math.ceil((100 * Math.max(high - middle, middle - low)) / middle);
  const text = middle >= 1e6 || middle < 1e-3 ? shortExponent(middle) : `${middle}`;
  return `${text} ± ${low === high ? tolerance : Math.max(tolerance, off)}%`;
}

const shortExponent = (n: number): string => n.toExponential().replace("e+", "e");

/** What does not divide, and what does not fit: with the plan's place and the model's. */
function refuseMisfits(
  { places }: CheckedPlan,
  { misfits, fits, memory, settings }: TrainingPlan,
  report: Reporter,
): void {
  for (const { degree, size, message, help } of misfits) {
    const at = places.settings.get(degree) ?? places.hardware;
    // heads of keys and values are the heads where nothing else is said
    const set = size === "kv_heads" && !places.sizes.has(size) ? "heads" : size;
    const span = set && places.sizes.get(set);
    const note = span ? { text: `${set} is set here`, span } : { text: "the model", span: places.model };
    report("E0704", at, { what: message, help }, [note]);
  }
  if (fits !== "does not fit") return;
  const largest = memory.terms.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  const details = {
    bytes: sizeText(memory.bytes),
    memory: sizeText(settings.card.memory.value),
    largest: `${largest.name} (${sizeText(largest.bytes)})`,
  };
  report("E0705", places.hardware, details, [{ text: "by this model", span: places.model }]);
}

/** Where a plan says how many copies of the weights there are, all degrees make up all devices. */
function refuseReplicas(
  { places, settings: { replicas } }: CheckedPlan,
  { settings }: TrainingPlan,
  report: Reporter,
): void {
  if (replicas === undefined) return;
  const { devices, tensor, pipeline, shard } = settings;
  const each = tensor * pipeline * shard;
  if (each * replicas === devices) return;
  const product = `tensor ${tensor} × pipeline ${pipeline} × shard ${shard} × replicas ${replicas}`;
  const what = `${product} = ${each * replicas}, not ${devices} devices`;
  const fitting = Math.max(1, Math.floor(devices / each));
  const at = places.settings.get("devices");
  report(
    "E0704",
    places.settings.get("replicas")!,
    { what, help: `use ${fitting} of ${each} devices each` },
    at ? [{ text: "devices is set here", span: at }] : [],
  );
}

function refuseUneven(
  { places }: CheckedPlan,
  { batchTokens, together }: UnevenBatch,
  report: Reporter,
): void {
  const at = places.settings.get("batch_tokens") ?? places.hardware;
  const nearest = Math.max(1, Math.round(batchTokens / together)) * together;
  const details = {
    batchTokens: thousands(batchTokens),
    together: thousands(together),
    nearest: `${nearest}`,
  };
  const devices = places.settings.get("devices");
  report("E0706", at, details, devices ? [{ text: "on the ranks of these devices", span: devices }] : []);
}
