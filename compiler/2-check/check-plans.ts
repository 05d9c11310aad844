/**
 * `plan NAME of MODEL on HARDWARE { … }`, `plan NAME like PLAN { … }` → plain values, with the places that
 * messages point to.
 */
import type { Expect, PlanNode } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { acceleratorNamed, type Accelerator } from "../planner/tables/hardware.ts";
import { reportUnknownDevice, type FileHardware } from "./check-hardware.ts";
import type { Fields } from "./fields.ts";
import type { Resolved } from "./inherit.ts";
import { readNumber, type Plain } from "./numbers.ts";
import { PLAN_TOLERANCE, planFacts, planFields, type PlanFact, type PlanValues } from "./plan-fields.ts";
import { unrecordedModel, type ModelRecorder, type NameRecorder } from "./record.ts";
import { makeScope, type Binding, type Scope } from "./scope.ts";
import { sizeFields } from "./settings.ts";
import { settingsBound } from "./settings-bound.ts";

/** A plan that says what it can say. Whether it fits, and what it expects, is the planner's business. */
export interface CheckedPlan {
  readonly name: string;
  readonly model: Model;
  /** Of the table of accelerators, or the file's own. */
  readonly card: Accelerator;
  readonly settings: PlanValues;
  readonly expects: readonly PlanExpectation[];
  readonly places: PlanPlaces;
}

export interface PlanExpectation {
  readonly fact: PlanFact;
  readonly value: number;
  /** Percent. */
  readonly tolerance: number;
  readonly span: Span;
}

export interface PlanPlaces {
  readonly name: Span;
  /** The model's name where it is defined. */
  readonly model: Span;
  readonly hardware: Span;
  /** Values of the plan's settings, and of the model's sizes. */
  readonly settings: ReadonlyMap<string, Span>;
  readonly sizes: ReadonlyMap<string, Span>;
}

/** A model of the file, with the command line's settings. */
export interface PlannedModel {
  readonly resolved: Resolved;
  /** Undefined: something is wrong with it. */
  readonly model: Model | undefined;
  readonly record: ModelRecorder;
}

export interface CheckPlansOptions {
  readonly models: ReadonlyMap<string, PlannedModel>;
  /** Of all models of the file; some may be too wrong to be among `models`. */
  readonly names: readonly string[];
  readonly hardware: FileHardware;
  /** Only plans of this model. */
  readonly wanted: string | undefined;
  /** Sizes came from the command line: the plans' expectations are about other models. */
  readonly isResized: boolean;
  /** `broken`: a syntax error lies within, so that what is missing may have been written. */
  readonly report: (plan: PlanNode) => Reporter;
  readonly record: NameRecorder;
}

/** Those that nothing is wrong with. */
export function checkPlans(plans: readonly PlanNode[], o: CheckPlansOptions): CheckedPlan[] {
  const first = new Map<string, PlanNode>();
  for (const node of plans) if (!first.has(node.name.text)) first.set(node.name.text, node);
  return plans.flatMap((node) => {
    const { name } = node;
    const report = o.report(node);
    o.record.define("plan", name);
    const other = first.get(name.text)!.name;
    if (other !== name)
      report("E0702", name.span, { name: name.text }, [{ text: "the first is here", span: other.span }]);
    const line = lineOf(node, first, report, o.record);
    return (line && checkPlan(node, line, o, report)) ?? [];
  });
}

/** The plan, the one that it is like, the one that this is like … */
function lineOf(
  node: PlanNode,
  byName: ReadonlyMap<string, PlanNode>,
  report: Reporter,
  record: NameRecorder,
): readonly PlanNode[] | undefined {
  const line = [node];
  for (let at = node; at.like;) {
    const { like } = at;
    const other = byName.get(like.text);
    if (!other) {
      const plans = [...byName.keys()].filter((name) => name !== node.name.text);
      if (at === node)
        report("E0707", like.span, { name: like.text, plans, nearest: nearest(like.text, plans) });
      return undefined;
    }
    record.use(like, other.name.span);
    if (line.includes(other)) {
      if (other === node) report("E0708", node.like!.span, { name: node.name.text });
      return undefined;
    }
    line.push(other);
    at = other;
  }
  return line;
}

function checkPlan(
  node: PlanNode,
  line: readonly PlanNode[],
  o: CheckPlansOptions,
  report: Reporter,
): CheckedPlan | undefined {
  const { name } = node;
  // the last of a line is like none, so it names both
  const of = line.find(({ model }) => model)!.model!;
  const hardware = line.find((one) => one.hardware)!.hardware!;
  if (o.wanted !== undefined && of.text !== o.wanted) return undefined;
  const planned = o.models.get(of.text);
  if (planned) o.record.use(of, planned.resolved.node.name.span);
  else if (!o.names.includes(of.text))
    report("E0701", of.span, { name: of.text, models: o.names, nearest: nearest(of.text, o.names) });
  const card = cardOf(hardware, o, report);
  const inherited = line.slice(1).reverse();
  const bindings = new Map([
    ...inherited.flatMap((one) => [...bindingsOf(one, () => undefined, unrecordedModel)]),
    ...bindingsOf(node, report, o.record),
  ]);
  const scope = scopeOf(bindings, planned, report);
  const settings = [...bindings.keys()].map((key) => [key, scope.read(key)] as const);
  const expects = expectsOf(node, scope, report);
  if (!planned?.model || !card || line.some(({ broken }) => broken)) return undefined;
  if (settings.some(([, value]) => value === undefined) || expects.includes(undefined)) return undefined;
  return {
    name: name.text,
    model: planned.model,
    card,
    settings: Object.fromEntries(settings) as Readonly<Record<string, Plain>>,
    expects: o.isResized ? [] : expects.filter((e) => e !== undefined),
    places: {
      name: name.span,
      model: planned.resolved.node.name.span,
      hardware: hardware.span,
      settings: spansOf(bindings),
      sizes: spansOf(planned.resolved.sizes),
    },
  };
}

/** The file's own come first. Undefined: there is none, or something is wrong with it. */
function cardOf(
  name: PlanNode["name"],
  { hardware: { nodes, cards }, record }: CheckPlansOptions,
  report: Reporter,
): Accelerator | undefined {
  const own = nodes.get(name.text);
  if (own) {
    record.use(name, own.name.span);
    return cards.get(name.text);
  }
  const card = acceleratorNamed(name.text);
  if (!card) reportUnknownDevice(name, [...nodes.keys()], report);
  return card;
}

const spansOf = (bindings: ReadonlyMap<string, Binding>): ReadonlyMap<string, Span> =>
  new Map([...bindings].map(([key, { key: name, value }]) => [key, (value ?? name).span]));

const fields: Fields = planFields;

/** What other tools call a plan's settings. */
const namesOfOthers: Readonly<Record<string, string>> = {
  gpus: "devices",
  world_size: "devices",
  tp: "tensor",
  pp: "pipeline",
  cp: "context",
  ep: "expert",
  fsdp: "shard",
  dp_shard: "shard",
  seq_len: "sequence",
  seq_length: "sequence",
  local_batch_size: "micro",
  micro_batch_size: "micro",
  global_batch_tokens: "batch_tokens",
  dtype: "precision",
};
const bindingsOf = ({ items }: PlanNode, report: Reporter, record: NameRecorder): Map<string, Binding> =>
  settingsBound(items, fields, { where: "a plan", namesOfOthers, report, record });

/** Arithmetic may name the model's sizes and lets, and what the plan itself says. */
function scopeOf(
  bindings: ReadonlyMap<string, Binding>,
  planned: PlannedModel | undefined,
  report: Reporter,
): Scope {
  const given = Object.fromEntries(Object.entries(fields).filter(([key]) => bindings.has(key)));
  const record = planned?.record ?? unrecordedModel;
  const silent: Reporter = () => undefined; // what is wrong with the model is told with the model
  const outer =
    planned && makeScope({ bindings: planned.resolved.sizes, fields: sizeFields, report: silent, record });
  return makeScope({ bindings, fields: given, report, record, ...(outer && { outer }) });
}

/** Undefined: something is wrong with that one. */
function expectsOf({ items }: PlanNode, scope: Scope, report: Reporter): (PlanExpectation | undefined)[] {
  const given = new Map<string, Span>();
  return items
    .filter((item): item is Expect => item.kind === "expect")
    .map(({ fact: { text, span: at }, value, tolerance, span }) => {
      const before = given.get(text);
      if (before)
        report("E0206", at, { what: `expect ${text}` }, [{ text: "the first is here", span: before }]);
      given.set(text, at);
      const number = readNumber(text, value, scope, report);
      if (!isPlanFact(text)) {
        report("E0403", at, { fact: text, facts: planFacts, nearest: nearest(text, planFacts) });
        return undefined;
      }
      if (number === undefined || before) return undefined;
      return { fact: text, value: number, tolerance: tolerance?.value ?? PLAN_TOLERANCE, span };
    });
}

const isPlanFact = (text: string): text is PlanFact => (planFacts as readonly string[]).includes(text);
