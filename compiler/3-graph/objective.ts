/**
 * What follows the head in the entries over whole sequences: the next token's cross-entropy, and where a
 * module is compiled for an objective, its equation (ops/objective). The slopes that the equation has by what
 * the model makes of a row are the weights of the objective's terms, from which differentiation goes on.
 */
import { HYPER_FLOATS } from "../../runtime/contract/control.ts";
import type { BatchEntry } from "../../runtime/contract/entries.ts";
import { nameIn } from "../../runtime/contract/parameter-names.ts";
import {
  MOST_SETTINGS,
  objectiveSums,
  tokenNames,
  type Objective,
  type TokenName,
} from "../../runtime/contract/objective.ts";
import { slopeTensor, tensorOf } from "../ops/objective/objective-kernel.ts";
import {
  modelNames,
  passesOf,
  readsOf,
  type MadeName,
  type ModelName,
  type Reads,
} from "../ops/objective/objective-plan.ts";
import { objectiveAttrs, planOf, unitsOf } from "../ops/objective/objective.ts";
import type { InsOf } from "../ops/index.ts";
import {
  activation,
  emit,
  entryOutput,
  input,
  isTraining,
  parameter,
  type Builder,
  type EntrySpec,
} from "./builder.ts";
import type { Ref } from "./ir.ts";

type BatchJob = Extract<EntrySpec, { entry: BatchEntry }>;

/**
 * Whether the entry computes the vocabulary's logits: a reward model's objective names none of their numbers.
 */
export function readsLogits({ objective, logprobs, entropies }: BatchJob): boolean {
  if (!objective || logprobs || entropies) return true;
  const { tokens } = readsOf(planOf(objectiveAttrs(objective, 1)), "loss");
  return tokens.has("logp") || tokens.has("entropy") || tokens.has("hit");
}

/** What the model says of each row, by the names that equations have for it. */
type Made = Readonly<Partial<Record<MadeName, Ref>>>;

/** Nodes from the rows [R, width] that the output's linear map reads, and from its logits, to the losses. */
export function losses(b: Builder, job: BatchJob, hidden: Ref, logits: Ref | undefined): void {
  const { objective } = job;
  const targets = input(b, "targets", [b.rows]);
  const values = scalarHead(b, hidden);
  if (!objective) return tokenLosses(b, job, logits!, targets);
  const attrs = objectiveAttrs(objective, job.batch);
  const plan = planOf(attrs);
  const reads = readsOf(plan, "loss");
  const isKnown = passesOf(plan) === "known";
  const slopes = isTraining(b) ? modelNames.filter((name) => hasSlope(plan, name)) : [];
  const before = isKnown ? slopeNodes(b, job, objective, slopes, readsOf(plan, "slopes")) : {};
  const made: Made = {
    ...(logits && rowNumbers(b, job, logits, targets, reads)),
    ...(values && { value: values }),
  };
  const ins = { ...inputsOf(b, job, reads, made), targets, settings: settings(b) };
  const sums = entryOutput(b, "objective", [objectiveSums.length + loggedSums(attrs.sums)]);
  const outs = { losses: entryOutput(b, "objective_losses", [unitsOf(attrs.unit, b.rows, job.batch)]), sums };
  const after = isKnown ? {} : slopeOutputs(b, slopes);
  const weights = isTraining(b) ? weightOf(b, job) : {};
  emit(b, "objective", { ...ins, ...weights }, { ...outs, ...after }, attrs);
  for (const name of slopes)
    b.objective.push({ value: made[name]!, weights: (isKnown ? before : after)[slopeTensor[name]]! });
}

const loggedSums = (sums: string): number => (sums === "" ? 0 : sums.split(";").length);

type Plan = ReturnType<typeof planOf>;
const hasSlope = ({ rowSlopes, overSlopes }: Plan, name: ModelName): boolean =>
  rowSlopes.has(name) || overSlopes.some((s) => s.by === name);

/** The next token's cross-entropy, each row weighed by its weight, or all alike. */
function tokenLosses(b: Builder, job: BatchJob, logits: Ref, targets: Ref): void {
  const of = entryOutput(b, "token_losses", [b.rows]);
  const logprobs = job.logprobs ? entryOutput(b, "logprobs", [b.rows]) : undefined;
  if (job.entropies)
    emit(b, "entropy", { logits, targets }, { entropies: entryOutput(b, "entropies", [b.rows]) });
  emit(b, "cross_entropy", { logits, targets }, { losses: of, logprobs });
  if (isTraining(b))
    b.objective.push({ value: of, ...(job.weights && { weights: input(b, "weights", [b.rows]) }) });
  emit(b, "loss_sum", { losses: of, targets }, { loss: entryOutput(b, "loss", [2]) });
}

/** ln p(target) of each row; its entropy, and whether the target is the likeliest, where that is read. */
function rowNumbers(b: Builder, job: BatchJob, logits: Ref, targets: Ref, { tokens }: Reads): Made {
  const of = entryOutput(b, "token_losses", [b.rows]);
  const logp = entryOutput(b, "logprobs", [b.rows]);
  const entropies =
    tokens.has("entropy") || job.entropies ? entryOutput(b, "entropies", [b.rows]) : undefined;
  if (entropies) emit(b, "entropy", { logits, targets }, { entropies });
  const hits = tokens.has("hit") ? activation(b, "hits", [b.rows]) : undefined;
  emit(b, "cross_entropy", { logits, targets }, { losses: of, logprobs: logp, hits });
  emit(b, "loss_sum", { losses: of, targets }, { loss: entryOutput(b, "loss", [2]) });
  return { logp, ...(entropies && { entropy: entropies }), ...(hits && { hit: hits }) };
}

function scalarHead(b: Builder, x: Ref): Ref | undefined {
  const { head } = b.model;
  if (!head) return undefined;
  const stem = nameIn("head", head.name);
  const zero = { kind: "constant", value: 0 } as const;
  const w = parameter(b, `${stem}.weight`, [b.values.get(x.value)!.shape[1]!], zero);
  const bias = head.bias ? parameter(b, `${stem}.bias`, [1], zero) : undefined;
  const out = entryOutput(b, "values", [b.rows]);
  emit(b, "row_dot", { x, w, b: bias }, { out });
  return out;
}

// ---- the equation's node

type Slopes = Partial<Record<(typeof slopeTensor)[ModelName], Ref>>;

/**
 * Slopes that are made of inputs alone are there before the head: its loss and its gradient share a kernel.
 */
function slopeNodes(
  b: Builder,
  job: BatchJob,
  objective: Objective,
  names: readonly ModelName[],
  reads: Reads,
): Slopes {
  if (names.length === 0) return {};
  const outs = slopeOutputs(b, names);
  const ins = {
    ...inputsOf(b, job, reads, {}),
    targets: input(b, "targets", [b.rows]),
    settings: settings(b),
  };
  const attrs = { ...objectiveAttrs(objective, job.batch), sums: "" };
  emit(b, "objective", { ...ins, ...weightOf(b, job) }, outs, attrs);
  return outs;
}

const slopeOutputs = (b: Builder, names: readonly ModelName[]): Slopes =>
  Object.fromEntries(names.map((name) => [slopeTensor[name], activation(b, slopeTensor[name], [b.rows])]));

/** What the equation reads of rows and sequences. */
function inputsOf(
  b: Builder,
  job: BatchJob,
  { tokens, answers }: Reads,
  made: Made,
): Omit<InsOf<"objective", Ref>, "targets" | "settings"> {
  const ofRow = (name: TokenName): Ref => {
    const row: (typeof tokenNames)[TokenName] = tokenNames[name];
    const ref = "input" in row ? input(b, row.input, [b.rows]) : made[name as MadeName];
    if (!ref) throw new Error(`${job.objective!.name} reads \`${name}\`, and the model has no scalar head`);
    return ref;
  };
  return Object.fromEntries([
    ...[...tokens].map((name) => [tensorOf[name], ofRow(name)] as const),
    ...[...answers].map((name) => [`${name}s`, input(b, `${name}s`, [job.batch])] as const),
  ]);
}

const settings = (b: Builder): Ref => input(b, "settings", [2 * MOST_SETTINGS]);

/** What a unit weighs. */
const weightOf = (b: Builder, job: BatchJob): { readonly weights: Ref } | { readonly hyper: Ref } =>
  job.weights ? { weights: input(b, "weights", [b.rows]) } : { hyper: input(b, "hyper", [HYPER_FLOATS]) };
