/** What `sinter plan` can be asked, and how its texts become a plan's settings. */
import type { Checked } from "../../../compiler/2-check/check.ts";
import type { CheckedPlan } from "../../../compiler/2-check/check-plans.ts";
import { precisions, type Price } from "../../../compiler/planner/tables/hardware.ts";
import {
  conventions,
  recomputations,
  stateSchemes,
  type Convention,
  type StateScheme,
} from "../../../compiler/planner/tables/choices.ts";
import type { Asked } from "../../../compiler/planner/plan.ts";
import { fits, STANDARD_FIT, type FitName } from "../../../compiler/planner/chinchilla.ts";
import { axes } from "../../../compiler/planner/solve.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { optimizers } from "../../../runtime/contract/model.ts";
import { amount } from "./amount.ts";
import { anyCluster, clusterOf } from "./cluster.ts";
import { flag, named, oneWord, read, real, text, whole, type Options } from "./option.ts";
import { readSize } from "./size.ts";
import { specOptions } from "./spec.ts";

/** Degrees that `--parallel` knows. */
const degrees = ["tensor", "pipeline", "context", "expert", "shard", "interleaved"] as const;
type AskedDegrees = Partial<Record<(typeof degrees)[number], number>>;

const fitNames = Object.keys(fits) as FitName[];
const goals = ["parallel", ...axes] as const;

/** `sinter plan`. */
export const planOptions = {
  ...specOptions,
  plan: text("<name>", "a plan of the spec, which other options change"),
  on: anyCluster("devices, and how many (default: h100:8)"),
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
  optimizer: read(text("<name>", `${optimizers.join(", ")} (default: as the spec trains)`), (given, name) =>
    oneWord(optimizers, given, name),
  ),
  recompute: read(
    text(
      "<name>",
      `of activations: ${recomputations.join(", ")} (default: selective, or as the spec trains)`,
    ),
    (given, name) => oneWord(recomputations, given, name),
  ),
  lossChunks: whole("<n>", "pieces in which the output layer's rows are computed (default: 1)", { least: 1 }),
  mfu: read(text("<share>", "a step's utilisation where it is known, as 0.41 or 0.38:full"), readMfu),
  goodput: real("<share>", "share of the time that makes steps that count (default: 0.87)", {
    least: 0.01,
    most: 1,
  }),
  price: read(
    text("<dollars>", "of an hour of one device; whose and of when may follow: '2.69 RunPod 2026-11'"),
    readPrice,
  ),
  solve: read(
    text("<goal>", `find the fastest way to spread it (parallel), or the largest model (${axes.join(", ")})`),
    (given, name) => oneWord(goals, given, name),
  ),
  budget: amount("<dollars>", "most that the run may cost, as 1M"),
  hours: amount("<n>", "most device hours"),
  days: real("<n>", "most days", { least: 0 }),
  tokensPerSecond: amount("<n>", "least speed of training, all devices together"),
  decode: amount("<n>", "least tokens per second of one text that is written"),
  memory: read(text("<size>", "most memory of a device, as 64GiB (default: all that it has)"), readBytes),
  fit: read(
    text("<name>", `losses of sizes and tokens: ${fitNames.join(", ")} (default: ${STANDARD_FIT})`),
    (given, name) => oneWord(fitNames, given, name),
  ),
  compare: read(text("<names>", "plans or models of the spec, side by side: a,b,c"), (given) =>
    given.split(",").map((name) => name.trim()),
  ),
  facts: flag("what was published of the model's training, beside what follows here"),
  json: flag("machine-readable: bytes, seconds, operations, dollars, joules"),
};
export type PlanGiven = Options<typeof planOptions>;

function schemeNames(): StateScheme[] {
  return Object.keys(stateSchemes) as StateScheme[];
}

/** "2.69", "2.69 RunPod 2026-11": dollars, whose price, of when. */
function readPrice(given: string, name: string): Price {
  const found = /^\s*\$?(\d+(?:\.\d+)?)(?:\s+(.+?))??(?:\s+(\d{4}(?:-\d\d){0,2}))?\s*$/.exec(given);
  if (!found)
    throw new SinterError(
      "usage",
      `${name} takes dollars, as 2.69 or '2.69 RunPod 2026-11', not \`${given}\``,
    );
  const [, dollars, source, date] = found;
  return { dollars: Number(dollars), source: source ?? "as given", date: date ?? "" };
}

function readBytes(given: string, name: string): number {
  const bytes = readSize(given);
  if (bytes > 0) return bytes;
  throw new SinterError("usage", `${name} takes a size such as 64GiB, not \`${given}\``);
}

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

/** What the options say; what they do not say is absent. `own`: devices of the spec's own. */
export function askedBy(
  { on, parallel, price, ...given }: PlanGiven,
  own: Checked["hardware"],
): Partial<Asked> {
  const said = {
    ...(on && clusterOf(on, own)),
    ...parallel,
    tokens: given.tokens,
    sequence: given.sequence,
    batchTokens: given.batchTokens,
    micro: given.micro,
    precision: given.precision,
    states: given.states,
    optimizer: given.optimizer,
    recompute: given.recompute,
    lossChunks: given.lossChunks,
    mfu: given.mfu,
    goodput: given.goodput,
    price,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

/** A plan of a spec. */
export function planNamed(name: string, { plans }: Checked): CheckedPlan {
  const names = plans.map((block) => block.name);
  return plans[names.indexOf(named("plan", names, name))]!;
}
