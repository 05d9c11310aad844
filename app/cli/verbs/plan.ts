/** `sinter plan SPEC`: what training and serving a model takes on machines that are not here. */
import { precisions } from "../../../compiler/planner/hardware.ts";
import { costsOf } from "../../../compiler/planner/costs.ts";
import { recomputations, stateSchemes, type StateScheme } from "../../../compiler/planner/device-memory.ts";
import { conventions, type Convention } from "../../../compiler/planner/flops.ts";
import { factsText } from "../../../compiler/planner/facts-text.ts";
import { publishedRuns } from "../../../compiler/planner/published-runs.ts";
import { planOf, type Asked, type TrainingPlan } from "../../../compiler/planner/plan.ts";
import { planJson, planRows, planTitle } from "../../../compiler/planner/plan-text.ts";
import {
  axes,
  brokenLimit,
  fastestSpread,
  largestModel,
  type Limits,
} from "../../../compiler/planner/solve.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { flag, oneWord, read, real, text, whole, type Options } from "../options/option.ts";
import { clusterOption } from "../options/cluster.ts";
import { amount } from "../options/amount.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import { wrapped } from "../terminal/pair-view.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

/** Degrees that `--parallel` knows. */
const degrees = ["tensor", "pipeline", "context", "expert", "shard", "interleaved"] as const;
type AskedDegrees = Partial<Record<(typeof degrees)[number], number>>;

const goals = ["parallel", ...axes] as const;

const options = {
  ...specOptions,
  on: clusterOption("devices, and how many"),
  tokens: amount("<n>", "tokens of the whole run, as 15T (default: 20 for each parameter)"),
  sequence: whole("<n>", "tokens of a sequence (default: the model's context)", { least: 1 }),
  batchTokens: amount("<n>", "tokens of a step over all devices, as 4M (default: one micro-batch each)"),
  micro: whole("<n>", "sequences of a micro-batch on one rank (default: as many as fit)", { least: 1 }),
  parallel: read(text("<degrees>", `tensor=8,pipeline=4 and the like: ${degrees.join(", ")}`), readDegrees),
  precision: read(text("<name>", precisions.join(", ")), (given, name) => oneWord(precisions, given, name)),
  states: read(
    text("<name>", `how weights and moments are kept: ${schemeNames().join(", ")}`),
    (given, name) => oneWord(schemeNames(), given, name),
  ),
  recompute: read(
    text("<name>", `of activations: ${recomputations.join(", ")} (default: selective)`),
    (given, name) => oneWord(recomputations, given, name),
  ),
  lossChunks: whole("<n>", "pieces in which the output layer's rows are computed (default: 1)", { least: 1 }),
  mfu: read(text("<share>", "a step's utilisation where it is known, as 0.41 or 0.38:full"), readMfu),
  goodput: real("<share>", "share of the time that makes steps that count (default: 0.87)", {
    least: 0.01,
    most: 1,
  }),
  price: real("<dollars>", "of an hour of one device", { least: 0 }),
  solve: read(
    text("<goal>", `find the fastest way to spread it (parallel), or the largest model (${axes.join(", ")})`),
    (given, name) => oneWord(goals, given, name),
  ),
  budget: amount("<dollars>", "most that the run may cost, as 1M"),
  hours: amount("<n>", "most device hours"),
  days: real("<n>", "most days", { least: 0 }),
  tokensPerSecond: amount("<n>", "least speed of training, all devices together"),
  facts: flag("what was published of the model's training, beside what follows here"),
  json: flag("machine-readable: bytes, seconds, operations, dollars, joules"),
};
type Given = Options<typeof options>;

function schemeNames(): StateScheme[] {
  return Object.keys(stateSchemes) as StateScheme[];
}

export const planVerb = defineVerb({
  name: "plan",
  summary: "what training takes on a cluster: operations, memory, time, money",
  arguments: [{ name: "<spec>", help: "a spec file; - is standard input" }],
  options,
  notes: [
    "Operations are those of matrix products, forward and backward, counted from the model's graph:",
    "causal counts the positions that attention sees, full counts all of the sequence.",
    "A step's time is predicted from published measurements; a run's adds its goodput.",
  ],
  examples: [
    "sinter plan specs/gpt2.sinter",
    "sinter plan specs/llama3.sinter --on h100:1024 --tokens 15T --batch-tokens 16M",
    "sinter plan specs/gpt3.sinter --model gpt3-175b --on a100:1024 --parallel tensor=8,pipeline=8",
    "sinter plan specs/llama3.sinter --on h100:64 --solve parallel",
    "sinter plan specs/llama3.sinter --model llama3.1-405b --facts",
    "sinter plan specs/llama3.sinter --on h100:8 --solve width --budget 1M --tokens 100B --price 2.69",
  ],
  async run([path], given, io) {
    const { model } = oneModel(path!, checkOptions(given), io);
    if (given.facts) {
      const facts = factsText(costsOf(model));
      if (facts === undefined) throw nothingPublished(model);
      io.out(facts);
      return exitCodes.ok;
    }
    const plan = given.solve ? solved(model, given, io) : planned(model, given);
    io.out(given.json ? `${JSON.stringify(planJson(plan), null, 2)}\n` : laidOut(plan, io.columns));
    return plan.misfits.length > 0 || plan.fits === "does not fit" ? exitCodes.input : exitCodes.ok;
  },
});

/** Texts that are longer than the terminal go on below their beginning. */
function laidOut(plan: TrainingPlan, columns: number): string {
  const rows = planRows(plan);
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
    `known are ${publishedRuns.map(({ model }) => model).join(", ")}`,
  );

function readDegrees(given: string): AskedDegrees {
  return Object.fromEntries(
    given.split(",").map((pair) => {
      const [name, value] = pair.split("=");
      const degree = oneWord(degrees, name!.trim(), "--parallel");
      const by = Number(value);
      if (Number.isInteger(by) && by >= 1) return [degree, by];
      throw new SinterError("usage", `--parallel takes NAME=NUMBER, separated by commas, not \`${pair}\``);
    }),
  );
}

function readMfu(given: string): { readonly value: number; readonly convention: Convention } {
  const [share, convention = "causal"] = given.split(":");
  const value = Number(share);
  if (value > 0 && value <= 1) return { value, convention: oneWord(conventions, convention, "--mfu") };
  throw new SinterError("usage", `--mfu takes a share from 0 to 1, as 0.41 or 0.38:full, not \`${given}\``);
}

const askedOf = ({ on, parallel, price, ...given }: Given): Asked => ({
  ...on,
  ...parallel,
  tokens: given.tokens,
  sequence: given.sequence,
  batchTokens: given.batchTokens,
  micro: given.micro,
  precision: given.precision,
  states: given.states,
  recompute: given.recompute,
  lossChunks: given.lossChunks,
  mfu: given.mfu,
  goodput: given.goodput,
  price: price === undefined ? undefined : { dollars: price, source: "given", date: "now" },
});

function planned(model: Model, given: Given): TrainingPlan {
  const plan = planOf(model, askedOf(given));
  if (!("together" in plan)) return plan;
  throw new SinterError(
    "usage",
    `${plan.batchTokens} tokens a step are no multiple of a micro-batch on all ranks, ${plan.together}`,
    `use --batch-tokens ${Math.max(1, Math.round(plan.batchTokens / plan.together)) * plan.together}`,
  );
}

/** What solving says beside its plan goes to standard error, so that JSON stays JSON. */
function solved(model: Model, given: Given, io: Io): TrainingPlan {
  const asked = askedOf(given);
  if (given.solve === "parallel") {
    const { best, tried } = fastestSpread(costsOf(model), asked);
    for (const { title, why } of tried) io.err(`${title}: ${why}\n`);
    if (best) return best;
    throw new SinterError(
      "input",
      `${model.name} does not fit on these devices in any way`,
      "use more of them",
    );
  }
  const limits: Limits = {
    dollars: given.budget,
    hours: given.hours,
    days: given.days,
    tokensPerSecond: given.tokensPerSecond,
  };
  const found = largestModel(model, given.solve!, asked, limits);
  if (!found) {
    const smallest = planned(model, given);
    throw new SinterError(
      "input",
      `no ${given.solve} of ${model.name} keeps within ${brokenLimit(smallest, limits) ?? "the limits"}`,
      "allow more",
    );
  }
  if (found.binding) io.err(`bound by ${found.binding}: the next larger ${given.solve} breaks it\n`);
  return found.plan;
}
