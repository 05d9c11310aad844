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
  const wrongItems = found.slice(syntax.length);
  const chosen = wanted === undefined ? all : all.filter((m) => m.node.name.text === wanted);
  reportUnknownModel(
    wanted,
    file.models.map((m) => m.name.text),
    report,
  );
  const lets = new Set(
    chosen.flatMap((m) => [...m.sizes.values()].filter((b) => b.kind === "let").map((b) => b.key.text)),
  );
  const before = found.length;
  const overrides = readOverrides(set, lets, report);
  const wrongSet = hasErrors(found.slice(before));

  const isNoise = noiseFilter(syntax, source);
  const right: { model: Model; facts: ModelSummary }[] = [];
  for (const resolved of chosen) {
    const own: Diagnostic[] = [];
    const checked = checkModel(
      resolved,
      { overrides, stages, record: record.model(resolved) },
      (code, span, details, notes = []) =>
        void own.push(diagnostic(code, span, details, [...notes, ...whoseNote(resolved, span)])),
    );
    for (const d of own) if (!resolved.broken || !isNoise(d)) found.push(d);
    const hasWrongItem = wrongItems.some(
      (d) => d.severity === "error" && resolved.line.some((m) => isWithin(d.span, m.span)),
    );
    if (checked && !wrongSet && !resolved.broken && !hasErrors(own) && !hasWrongItem) right.push(checked);
  }
  // a mistake outside of every model: the file is not what it was meant to be
  const models = syntax.length > 0 && right.length === all.length ? [] : right;
  return {
    models: models.map((m) => m.model),
    summaries: models.map((m) => m.facts),
    diagnostics: tidy(found),
  };
}

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
): { model: Model; facts: ModelSummary } | undefined {
  const resolved = withOverrides(inherited, overrides);
  const deferred: (() => void)[] = [];
  const model = buildModel(resolved, {
    report,
    deferred: (code, span, details, notes) => void deferred.push(() => report(code, span, details, notes)),
    stages,
    record,
  });
  if (!model) return undefined;
  const expects = checkExpects(
    resolved,
    model,
    overrides.some((o) => o.section === "model"),
    report,
    record,
  );
  // an expected count that holds settles the deferred warnings, and one that fails says more than they do
  if (!expects.some((e) => e.fact === "parameters" && e.result !== "skipped"))
    for (const tell of deferred) tell();
  return {
    model,
    facts: { name: model.name, parameters: parameterCount(model), parts: parameterRows(model), expects },
  };
}
