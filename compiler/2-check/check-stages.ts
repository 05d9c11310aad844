/** The blocks of stages → plain, checked numbers. */
import type { Reporter } from "../diagnostics/report.ts";
import type { StageSettings, TrainSettings } from "../../runtime/contract/model.ts";
import { camelCased, isComplete, readAll } from "./fields-of.ts";
import type { Fields } from "./fields.ts";
import type { Resolved } from "./inherit.ts";
import { makeScope, type Scope } from "./scope.ts";
import { checkRl, withEstimator } from "./check-rl.ts";
import { trainFields } from "./settings.ts";
import { isNumberOf, stageObjective, type ObjectiveStage } from "./stage-objectives.ts";
import { loraFields, loraOf, stageFields, stages, type Stage } from "./stages.ts";
import type { Model } from "../../runtime/contract/model.ts";
import type { Objective } from "../../runtime/contract/objective.ts";

export type StagesOfModel = Pick<Model, Stage>;

export interface CheckStagesOptions {
  /** The blocks of the spec, and the objectives that it writes down. */
  readonly written: Pick<Resolved, "stages" | "objectives">;
  /** Stages that are filled with defaults where the spec has no block of them. */
  readonly wanted: readonly string[];
  /** The model's own training, and its settings. */
  readonly train: TrainSettings;
  readonly outer: Scope;
  /** The model's own. */
  readonly objectives: readonly Objective[];
  readonly report: Reporter;
}

/** Undefined where something is wrong. */
export function checkStages(o: CheckStagesOptions): StagesOfModel | undefined {
  const there = stages.filter(
    (stage) => o.wanted.includes(stage) || o.written.stages.has(stage) || o.written.stages.has(loraOf(stage)),
  );
  const checked = there.map((stage) => [stage, checkStage(stage, o)] as const);
  if (checked.some(([, settings]) => settings === undefined)) return undefined;
  return Object.fromEntries(checked) as StagesOfModel;
}

function checkStage<S extends Stage>(stage: S, o: CheckStagesOptions): Model[S] | undefined {
  const { written, train, outer, report } = o;
  const bindings = written.stages.get(stage) ?? new Map<string, never>();
  const fields = fieldsOf(stage, o.objectives);
  const scope = makeScope({ bindings, fields, extra: knownOf(train), report, record: outer.record, outer });
  const values = readAll(fields, scope);
  const named = bindings.get("objective")?.value;
  const mine = named?.kind === "word" ? written.objectives.get(named.text) : undefined;
  if (mine && named?.kind === "word") outer.record.use(named, mine.name.span);
  checkContext(stage, values["context"], scope, o);
  checkEnds(values["chat_format"], scope, report);
  const { lr, min_lr: minLr } = values as Readonly<Record<string, number | undefined>>;
  if (lr !== undefined && minLr !== undefined && minLr > lr)
    report("W0219", (bindings.get("min_lr") ?? bindings.get("lr"))!.key.span, { minLr, lr });
  const lora = checkLora(stage, o);
  if (!isComplete(fields, values) || lora === false) return undefined;
  const own = stage === "sft" ? values : ofObjective(stage, values, scope, o);
  /** As the block says, or as the model's training has it; absent where it is the usual. */
  const orAsTrained = (name: "optimizer" | "recompute"): unknown => {
    const said = bindings.has(name) ? own?.[name] : train[name];
    return said === trainFields[name].shown ? undefined : said;
  };
  const trained = {
    ...own,
    rows: train.rows,
    optimizer: orAsTrained("optimizer"),
    recompute: orAsTrained("recompute"),
  };
  return own && (stageOf(camelCased(trained), lora) as unknown as Model[S]);
}

/** A block may name the model's own objectives, too. */
function fieldsOf(stage: Stage, objectives: readonly Objective[]): Fields {
  const fields: Fields = stageFields[stage];
  const { objective } = fields;
  if (objective?.kind !== "word") return fields;
  const names = objectives.map(({ name }) => name);
  return { ...fields, objective: { ...objective, words: [...objective.words, ...names] } };
}

/** The values with the objective in the place of its name and numbers. Undefined: something is wrong. */
function ofObjective(
  stage: ObjectiveStage,
  read: Readonly<Record<string, unknown>>,
  scope: Scope,
  { objectives, report }: CheckStagesOptions,
): Readonly<Record<string, unknown>> | undefined {
  const values = stage === "rl" ? withEstimator(read, scope) : read;
  const checked = stageObjective({ stage, values, scope, objectives, report });
  if (!checked) return undefined;
  const { objective, chosen } = checked;
  const kept = Object.fromEntries(Object.entries(values).filter(([key]) => !isOfObjective(stage, key)));
  if (stage !== "rl") return isEven(values["batch"], scope, report) ? { ...kept, objective } : undefined;
  const free = Object.entries(chosen).filter(([key]) => !scope.bindings.has(key));
  const { grad_clip: clip, ...rest } = { ...kept, ...Object.fromEntries(free) };
  const settings = { ...rest, clip, objective };
  return checkRl(settings, scope, report) ? settings : undefined;
}

/** What has gone into the objective. */
const isOfObjective = (stage: ObjectiveStage, key: string): boolean =>
  key === "average" || key === "reference" || isNumberOf(stage, key);

/** Two sequences to a pair. */
function isEven(batch: unknown, { bindings }: Scope, report: Reporter): boolean {
  if (typeof batch === "number" && batch % 2 === 0) return true;
  const { span } = bindings.get("batch")!.value!;
  report("E0605", span, {
    what: `a batch of ${String(batch)} sequences holds no whole number of pairs`,
    help: "use an even number",
  });
  return false;
}

/** The numbers of the model's training, by the names that defaults ask for. */
const knownOf = (train: TrainSettings): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(train).flatMap(([name, value]) =>
      typeof value === "number" ? [[`train_${snake(name)}`, value] as const] : [],
    ),
  );

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function checkContext(
  section: Stage,
  context: unknown,
  scope: Scope,
  { outer, report }: CheckStagesOptions,
): void {
  const most = outer.read("context");
  const given = scope.bindings.get("context")?.value;
  if (given && typeof context === "number" && typeof most === "number" && context > most)
    report("E0216", given.span, { section, train: context, context: most });
}

/** A format in which no token ends an answer teaches no model to stop. */
function checkEnds(format: unknown, { bindings }: Scope, report: Reporter): void {
  const given = bindings.get("chat_format")?.value;
  if (given && format === "plain") report("E0601", given.span, { format });
}

/** Undefined: the stage has no such block. False: something in it is wrong. */
function checkLora(
  stage: Stage,
  { written, outer, report }: CheckStagesOptions,
): StageSettings["lora"] | false {
  const bindings = written.stages.get(loraOf(stage));
  if (!bindings) return undefined;
  const values = readAll(
    loraFields,
    makeScope({ bindings, fields: loraFields, report, record: outer.record, outer }),
  );
  return isComplete(loraFields, values) && values;
}

const trainingNames: ReadonlySet<string> = new Set(Object.keys(camelCased(trainFields)));

/** What is of training goes into `train`, the rest stands beside it. */
function stageOf(values: Readonly<Record<string, unknown>>, lora: StageSettings["lora"]): object {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  const train = Object.fromEntries(entries.filter(([name]) => trainingNames.has(name)));
  const own = Object.fromEntries(entries.filter(([name]) => !trainingNames.has(name)));
  return { train, ...own, ...(lora && { lora }) };
}
