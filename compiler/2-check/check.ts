/**
 * Turns a spec's text into checked models and a list of everything that is wrong with it. Never throws,
 * whatever the text.
 */
import { parse, type Parsed } from "../1-parse/parse.ts";
import { nearest } from "../diagnostics/nearest.ts";
import {
  diagnostic,
  hasErrors,
  tidy,
  type Diagnostic,
  type Note,
  type Reporter,
} from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import { buildModel } from "./build-model.ts";
import type { Accelerator } from "../planner/tables/hardware.ts";
import { checkHardware } from "./check-hardware.ts";
import { checkPlans, type CheckedPlan, type PlannedModel } from "./check-plans.ts";
import { checkExpects, type CheckedFact } from "./expects.ts";
import { inherit, type Resolved } from "./inherit.ts";
import type { Model, StageName } from "../../runtime/contract/model.ts";
import { readOverrides, withOverrides, type Override } from "./overrides.ts";
import { unrecorded, type ModelRecorder, type Recorder } from "./record.ts";
import { parameterCount, parameterRows, type PartCount } from "./parameters.ts";

export interface CheckOptions {
  /** `--set`: setting → value as text. */
  readonly set?: Readonly<Record<string, string>>;
  /** Only this model of the file. */
  readonly model?: string;
  /** Stages that every model gets, with defaults, where it has no block of them. */
  readonly stages?: readonly StageName[];
}

export interface ModelSummary {
  readonly name: string;
  readonly parameters: number;
  readonly parts: readonly PartCount[];
  readonly expects: readonly CheckedFact[];
}

export interface Checked {
  /** Models without errors, in the order of the file. */
  readonly models: readonly Model[];
  /** One entry per model of `models`. */
  readonly summaries: readonly ModelSummary[];
  /** Plans of these models whose blocks have no errors. */
  readonly plans: readonly CheckedPlan[];
  /** Devices of the file's own, by name, that have no errors. */
  readonly hardware: ReadonlyMap<string, Accelerator>;
  readonly diagnostics: readonly Diagnostic[];
}

export function checkSource(source: string, options: CheckOptions = {}): Checked {
  return checkParsed(parse(source), source, options);
}

/** The same, of a text that is parsed already. `record` hears what names mean and what values come to. */
export function checkParsed(
  { file, diagnostics: syntax }: Parsed,
  source: string,
  { set = {}, model: wanted, stages = [] }: CheckOptions = {},
  record: Recorder = unrecorded,
): Checked {
  const found: Diagnostic[] = [...syntax];
  const report: Reporter = (code, span, details, notes) =>
    void found.push(diagnostic(code, span, details, notes));
  const all = inherit(file.models, report, record);
  const wrongItems = found.slice(syntax.length).filter((d) => d.severity === "error");
  const chosen = wanted === undefined ? all : all.filter((m) => m.node.name.text === wanted);
  const names = file.models.map((m) => m.name.text);
  reportUnknownModel(wanted, names, report);
  const lets = new Set(
    chosen.flatMap((m) => [...m.sizes.values()].filter((b) => b.kind === "let").map((b) => b.key.text)),
  );
  const before = found.length;
  const overrides = readOverrides(set, lets, report);
  const wrongSet = hasErrors(found.slice(before));

  const isNoise = noiseFilter(syntax, source);
  const known: CheckFileOptions = { overrides, stages, wrongSet, wrongItems, isNoise, found };
  const checked = chosen.map((resolved) => checkInFile(resolved, record.model(resolved), known));
  const reportIn =
    ({ broken }: { readonly broken: boolean }): Reporter =>
    (code, span, details, notes) => {
      const told = diagnostic(code, span, details, notes);
      if (!broken || !isNoise(told)) found.push(told);
    };
  const hardware = checkHardware(file.hardware, { report: reportIn, record });
  const plans = checkPlans(file.plans, {
    models: new Map(checked.map((m) => [m.resolved.node.name.text, m])),
    names,
    wanted,
    isResized: isResized(overrides),
    hardware,
    report: reportIn,
    record,
  });
  const right = checked.flatMap(({ right: one }) => one ?? []);
  // a mistake outside of every block: the file is not what it was meant to be
  const isWithinNone =
    right.length === all.length && ![...file.plans, ...file.hardware].some(({ broken }) => broken);
  const isLost = syntax.length > 0 && isWithinNone;
  return {
    models: isLost ? [] : right.map((m) => m.model),
    summaries: isLost ? [] : right.map((m) => m.facts),
    plans: isLost ? [] : plans,
    hardware: hardware.cards,
    diagnostics: tidy(found),
  };
}

/** What is known of the file around a model. */
interface CheckFileOptions {
  readonly overrides: readonly Override[];
  readonly stages: readonly StageName[];
  /** Something is wrong with the command line's settings. */
  readonly wrongSet: boolean;
  /** Errors in items of models. */
  readonly wrongItems: readonly Diagnostic[];
  readonly isNoise: (d: Diagnostic) => boolean;
  /** Gets what is wrong with the model. */
  readonly found: Diagnostic[];
}

/** `right`: the model, where nothing is wrong with it. */
function checkInFile(
  resolved: Resolved,
  record: ModelRecorder,
  { overrides, stages, wrongSet, wrongItems, isNoise, found }: CheckFileOptions,
): PlannedModel & { readonly right: RightModel | undefined } {
  const own: Diagnostic[] = [];
  const checked = checkModel(
    resolved,
    { overrides, stages, record },
    (code, span, details, notes = []) =>
      void own.push(diagnostic(code, span, details, [...notes, ...whoseNote(resolved, span)])),
  );
  for (const d of own) if (!resolved.broken || !isNoise(d)) found.push(d);
  const hasWrongItem = wrongItems.some((d) => resolved.line.some((m) => isWithin(d.span, m.span)));
  const isWrong = wrongSet || resolved.broken || hasErrors(own) || hasWrongItem;
  const right = isWrong ? undefined : checked;
  return { resolved: withOverrides(resolved, overrides), model: right?.model, record, right };
}

interface RightModel {
  readonly model: Model;
  readonly facts: ModelSummary;
}

const isResized = (overrides: readonly Override[]): boolean => overrides.some((o) => o.section === "model");

function reportUnknownModel(wanted: string | undefined, models: readonly string[], report: Reporter): void {
  if (wanted === undefined || models.length === 0 || models.includes(wanted)) return;
  const span = { start: 0, end: wanted.length, of: { name: "--model", text: wanted } };
  report("E0503", span, { name: wanted, models, nearest: nearest(wanted, models) });
}

const isWithin = (inner: Span, outer: Span): boolean =>
  inner.of === outer.of && inner.start >= outer.start && inner.end <= outer.end;

/** A complaint about an inherited line needs the name of the model that it is about. */
function whoseNote({ node }: Resolved, span: Span): Note[] {
  if (span.of || isWithin(span, node.span)) return [];
  return [{ text: `in model \`${node.name.text}\`, which inherits it`, span: node.name.span }];
}

const missingCodes: readonly string[] = [
  "E0201",
  "E0301",
  "E0305",
  "E0210",
  "E0401",
  "E0402",
  "W0315",
  "E0711",
  "E0330",
];

/**
 * Tells which complaints are only consequences of a syntax error. The parser skipped something there, so what
 * is "missing" may have been written, and lines that it could not read say nothing.
 */
function noiseFilter(syntax: readonly Diagnostic[], source: string): (d: Diagnostic) => boolean {
  if (syntax.length === 0) return () => false;
  const lineStart = (at: number): number => source.lastIndexOf("\n", at - 1);
  const unread = new Set(syntax.map((s) => lineStart(s.span.start)));
  return (d) =>
    missingCodes.includes(d.code) || (d.span.of === undefined && unread.has(lineStart(d.span.start)));
}

interface CheckModelOptions {
  readonly overrides: readonly Override[];
  readonly stages: readonly StageName[];
  readonly record: ModelRecorder;
}

function checkModel(
  inherited: Resolved,
  { overrides, stages, record }: CheckModelOptions,
  report: Reporter,
): RightModel | undefined {
  const resolved = withOverrides(inherited, overrides);
  const deferred: (() => void)[] = [];
  const model = buildModel(resolved, {
    report,
    deferred: (code, span, details, notes) => void deferred.push(() => report(code, span, details, notes)),
    stages,
    record,
  });
  if (!model) return undefined;
  const expects = checkExpects(resolved, model, isResized(overrides), report, record);
  // an expected count that holds settles the deferred warnings, and one that fails says more than they do
  if (!expects.some((e) => e.fact === "parameters" && e.result !== "skipped"))
    for (const tell of deferred) tell();
  return {
    model,
    facts: { name: model.name, parameters: parameterCount(model), parts: parameterRows(model), expects },
  };
}
