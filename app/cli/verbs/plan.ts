/** `sinter plan SPEC`: what training and serving a model takes on machines that are not here. */
import type { Checked } from "../../../compiler/2-check/check.ts";
import type { CheckedPlan } from "../../../compiler/2-check/check-plans.ts";
import { hasErrors } from "../../../compiler/diagnostics/report.ts";
import { askedOf, withPlans } from "../../../compiler/planner/judge-plans.ts";
import { judgedFactText, judgedJson } from "../../../compiler/planner/judged-text.ts";
import { costsOf } from "../../../compiler/planner/costs.ts";
import { withMemory } from "../../../compiler/planner/tables/hardware.ts";
import { factsJson, factsText } from "../../../compiler/planner/facts-text.ts";
import { publishedRuns } from "../../../compiler/planner/published-runs.ts";
import { publishedSteps } from "../../../compiler/planner/published-steps.ts";
import { planOf, type Asked, type TrainingPlan } from "../../../compiler/planner/plan.ts";
import { comparedText } from "../../../compiler/planner/compare.ts";
import { planJson, planRows, planTitle } from "../../../compiler/planner/plan-text.ts";
import {
  brokenLimit,
  fastestSpread,
  largestModel,
  limitTexts,
  type Choice,
  type LimitName,
  type Limits,
} from "../../../compiler/planner/solve.ts";
import { choicesJson, choicesText } from "../../../compiler/planner/solve-text.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { named } from "../options/option.ts";
import { standardCluster } from "../options/cluster.ts";
import { askedBy, planNamed, planOptions, type PlanGiven } from "../options/plan.ts";
import { checkOptions, diagnosticsText, firstModel, rightSpec } from "../options/spec.ts";
import { wrapped } from "../terminal/pair-view.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

export const planVerb = defineVerb({
  name: "plan",
  summary: "what training takes on a cluster: operations, memory, time, money",
  arguments: [{ name: "<spec>", help: "a spec file; - is standard input" }],
  options: planOptions,
  notes: [
    "A spec with plans, without other options: all of them, and whether each has what it expects.",
    "Operations are those of matrix products, forward and backward, counted from the model's graph:",
    "causal counts the positions that attention sees, full counts all of the sequence.",
    "--solve lists what may be chosen: no line is better than another in everything. Each says what",
    "binds it: the limit of which least is left, or the largest part of a step.",
    "A step's time is predicted from published measurements; a run's adds its goodput.",
  ],
  examples: [
    "sinter plan specs/gpt2.sinter",
    "sinter plan specs/llama3.sinter --plan meta-405b --price 2.69",
    "sinter plan specs/llama3.sinter --on h100:1024 --tokens 15T --batch-tokens 16M",
    "sinter plan specs/gpt3.sinter --model gpt3-175b --on a100:1024 --parallel tensor=8,pipeline=8",
    "sinter plan specs/llama3.sinter --on h100:64 --solve parallel",
    "sinter plan specs/llama3.sinter --model llama3.1-405b --facts",
    "sinter plan specs/llama3.sinter --compare llama3-8b,llama3-70b --on h100:64 --tokens 1T",
    "sinter plan specs/llama3.sinter --on h100:8 --solve width --budget 1M --tokens 100B --price 2.69",
  ],
  async run([path], given, io) {
    const checked = rightSpec(path!, checkOptions(given), io);
    if (given.plan === undefined && checked.plans.length > 0 && !isAsked(given))
      return planBlocks(path!, checked, given, io);
    if (given.compare) return comparePlans(checked, given.compare, given, io);
    const block = given.plan === undefined ? undefined : planNamed(given.plan, checked);
    const model = block?.model ?? firstModel(path!, checked, io);
    if (given.facts) {
      const costs = costsOf(model);
      const facts = factsText(costs);
      if (facts === undefined) throw nothingPublished(model);
      io.out(given.json ? inJson(factsJson(costs)) : facts);
      return exitCodes.ok;
    }
    const asked = askedAltogether(block, given, checked);
    const { plan, choices, ...found }: Solved = given.solve
      ? solved(model, asked, given, io)
      : { plan: planned(model, asked) };
    const listed = choices && { choices: choicesJson(choices) };
    if (given.json) io.out(inJson({ ...planJson(plan, given.fit), ...found, ...listed }));
    else {
      if (choices) io.out(`${choicesText(choices, given.solve!, plan)}\n`);
      io.out(laidOut(plan, given, io));
    }
    return plan.misfits.length > 0 || plan.fits === "does not fit" ? exitCodes.input : exitCodes.ok;
  },
});

/** Options that change nothing of a plan. */
const beside: readonly string[] = ["model", "set", "plan", "json", "fit"];
/** Something is asked that the spec's plans do not say. */
const isAsked = (given: PlanGiven): boolean =>
  Object.entries(given).some(
    ([name, value]) => !beside.includes(name) && value !== undefined && value !== false,
  );

/** All plans of the spec, with what they expect. */
function planBlocks(
  path: string,
  checked: Checked & { readonly source: string },
  given: PlanGiven,
  io: Io,
): number {
  const { judged, diagnostics } = withPlans(checked);
  if (given.json) io.out(inJson(judged.map((one) => judgedJson(one, given.fit))));
  else
    io.out(
      judged
        .map(({ block, plan, facts }) => {
          const lines = facts.map((fact) => `  ${judgedFactText(fact)}\n`);
          return `plan ${block.name}: ${laidOut(plan, given, io)}${lines.join("")}`;
        })
        .join("\n"),
    );
  io.err(diagnosticsText(diagnostics, path, checked.source, io));
  return hasErrors(diagnostics) ? exitCodes.input : exitCodes.ok;
}

const inJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** What a plan of the spec says, where there is one, changed by what the options say. */
function askedAltogether(
  block: CheckedPlan | undefined,
  given: PlanGiven,
  { hardware: own }: Checked,
): Asked {
  const asked = { ...standardCluster(own), ...(block && askedOf(block)), ...askedBy(given, own) };
  return given.memory === undefined ? asked : { ...asked, card: withMemory(asked.card, given.memory) };
}

/** Plans of the spec and models on the asked devices, side by side. */
function comparePlans(checked: Checked, names: readonly string[], given: PlanGiven, io: Io): number {
  const known = [...checked.plans, ...checked.models].map(({ name }) => name);
  const plans = names.map((name) => {
    const found = named("plan or model", known, name);
    const block = checked.plans.find((one) => one.name === found);
    const model = block?.model ?? checked.models.find((one) => one.name === found)!;
    return { name: found, plan: planned(model, askedAltogether(block, given, checked)) };
  });
  const all = plans.map(({ name, plan }) => ({ name, ...planJson(plan, given.fit) }));
  io.out(given.json ? inJson(all) : comparedText(plans));
  const isWrong = plans.some(({ plan: { misfits, fits } }) => misfits.length > 0 || fits === "does not fit");
  return isWrong ? exitCodes.input : exitCodes.ok;
}

/** Texts that are longer than the terminal go on below their beginning. */
function laidOut(plan: TrainingPlan, { fit }: PlanGiven, { columns }: Io): string {
  const rows = planRows(plan, fit);
  const wide = Math.max(...rows.map(([name]) => name.length)) + 4;
  const lines = rows.map(([name, said]) => {
    const texts = wrapped(said, Math.max(40, columns - wide - 1));
    return `  ${name.padEnd(wide - 2)}${texts.join(`\n${" ".repeat(wide)}`)}`;
  });
  return [planTitle(plan), ...lines, ""].join("\n");
}

const nothingPublished = ({ name }: Model): SinterError =>
  new SinterError(
    "input",
    `nothing published is known of ${name}`,
    `known are ${[...new Set([...publishedRuns, ...publishedSteps].map(({ model }) => model))].join(", ")}`,
  );

function planned(model: Model, asked: Asked): TrainingPlan {
  const plan = planOf(model, asked);
  if (!("together" in plan)) return plan;
  throw new SinterError(
    "usage",
    `${plan.batchTokens} tokens a step are no multiple of a micro-batch on all ranks, ${plan.together}`,
    `use --batch-tokens ${Math.max(1, Math.round(plan.batchTokens / plan.together)) * plan.together}`,
  );
}

interface Solved {
  readonly plan: TrainingPlan;
  /** In JSON: the limit that binds, null for none; ways that were not chosen, and why. */
  readonly bound_by?: LimitName | null;
  readonly tried?: readonly { readonly title: string; readonly why: string }[];
  /** What else may be chosen. */
  readonly choices?: readonly Choice[];
}

/** What solving says beside its plan goes to standard error; JSON has it inside. */
function solved(model: Model, asked: Asked, given: PlanGiven, io: Io): Solved {
  if (given.solve === "parallel") return spread(model, asked, given, io);
  const goal = given.solve!;
  const limits: Limits = {
    dollars: given.budget,
    hours: given.hours,
    days: given.days,
    tokensPerSecond: given.tokensPerSecond,
    decode: given.decode,
  };
  const found = largestModel(model, goal, asked, limits);
  if (!found) {
    const broken = brokenLimit(planned(model, asked), limits);
    throw new SinterError(
      "input",
      `no ${goal} of ${model.name} keeps within ${broken ? limitTexts[broken] : "the limits"}`,
      "allow more",
    );
  }
  const { plan, binding, choices } = found;
  const [now, was] = [plan.costs.model, model].map(({ sizes }) => thousands(sizes[goal]));
  const size = `${goal} ${now} (${model.name} has ${was})`;
  const bound = binding ? `bound by ${limitTexts[binding]}: the next larger one breaks it` : "nothing binds";
  if (!given.json) io.err(`${size}, ${bound}\n`);
  return { plan, bound_by: binding ?? null, choices };
}

function spread(model: Model, asked: Asked, given: PlanGiven, io: Io): Solved {
  const { best, tried, choices } = fastestSpread(costsOf(model), asked);
  if (!given.json) for (const { title, why } of tried) io.err(`${title}: ${why}\n`);
  if (best) return { plan: best, bound_by: null, tried, choices };
  throw new SinterError(
    "input",
    `${model.name} does not fit on these devices in any way`,
    "use more of them",
  );
}
