/** `sinter check SPEC…`: all that is wrong with a spec, and what the model is made of. */
import type { ModelSummary } from "../../../compiler/2-check/check.ts";
import { activeParameters } from "../../../compiler/2-check/parameters.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { positionOf } from "../../../compiler/diagnostics/span.ts";
import { type Diagnostic, hasErrors } from "../../../compiler/diagnostics/report.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { counted, percent, thousands } from "../../../runtime/contract/amounts.ts";
import {
  checkWithPlans,
  type CheckedWithPlans,
  type JudgedPlan,
} from "../../../compiler/planner/judge-plans.ts";
import { judgedFactText, judgedJson, judgedTitle } from "../../../compiler/planner/judged-text.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { flag } from "../options/option.ts";
import { memoryOptions } from "../options/run-options.ts";
import { cacheOption, numericsOption, weightsOption } from "../options/weights.ts";
import { checkOptions, checkSpecBy, readSpec, specOptions } from "../options/spec.ts";
import { memoryLine, plannedMemory, trainingMemory, trainingMemoryText } from "../options/memory-plan.ts";
import { tilesFor } from "../options/tune-file.ts";
import { tuneOptions } from "../options/tune-options.ts";
import { plannedStages } from "../train/stage-modules.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

export const checkVerb = defineVerb({
  name: "check",
  summary: "check specs, count their parameters and bytes",
  arguments: [{ name: "<spec...>", help: "spec files; - is standard input" }],
  options: {
    ...specOptions,
    ...memoryOptions,
    ...tuneOptions,
    weights: weightsOption,
    cache: cacheOption,
    numerics: numericsOption,
    json: flag("machine-readable"),
  },
  examples: [
    "sinter check specs/gpt2.sinter",
    "sinter check specs/gpt2.sinter --model gpt2-xl",
    "sinter check specs/gpt2.sinter --set width=256 --set heads=4",
    "sinter check specs/gpt2.sinter --lanes 8",
    "sinter check specs/llama3.sinter --model llama3-8b --set context=2048 --weights q4_0 --cache q8_0",
  ],
  async run(paths, options, io) {
    const chosen = checkOptions(options);
    const { memoryLimit, lanes, weights, cache, numerics } = options;
    let wrong = false;
    const reports: unknown[] = [];
    for (const path of paths) {
      const source = options.json ? readSpec(path, io) : undefined;
      const checked =
        source === undefined ? checkSpecBy(checkWithPlans, path, chosen, io) : checkWithPlans(source, chosen);
      const how = { memoryLimit, lanes, weights, cache, numerics, tiles: tilesFor(path, options, io) };
      wrong ||= hasErrors(checked.diagnostics);
      if (source !== undefined) reports.push(jsonReport(path, source, checked, how));
      else {
        checked.models.forEach((model, i) =>
          io.out(`${i > 0 ? "\n" : ""}${modelTable(model, checked.summaries[i]!, io, how)}`),
        );
        io.out(checked.judged.map(planLines).join(""));
      }
    }
    if (options.json) io.out(`${JSON.stringify(paths.length === 1 ? reports[0] : reports, null, 2)}\n`);
    return wrong ? exitCodes.input : exitCodes.ok;
  },
});

/** The model in one line, its parts with their parameters, its expectations. */
export function modelTable(
  model: Model,
  { parameters, parts, expects }: ModelSummary,
  io: Pick<Io, "tty">,
  options: CompileOptions = {},
): string {
  const strong = (text: string): string => (io.tty ? `\u001b[1m${text}\u001b[0m` : text);
  const active = activeParameters(model);
  const rows = parts.map((p) => [
    `${p.section} ${p.name}`,
    p.total === 0 && p.name.startsWith("linear") ? "tied" : thousands(p.each),
    p.times > 1 ? `× ${p.times}` : "",
    thousands(p.total),
    percent(p.total / parameters, 1),
  ]);
  const table = [
    ["part", "each", "", "parameters", ""],
    ...rows,
    ["total", "", "", thousands(parameters), ""],
    ...(active < parameters
      ? [["used by one token", "", "", thousands(active), percent(active / parameters, 1)]]
      : []),
  ];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    ["", ...row.map((cell, column) => padded[column]!(cell, widths[column]!))].join("  ").trimEnd(),
  );
  return [
    strong(model.name),
    `  ${sizesLine(model)}`,
    "",
    ...lines,
    ...expects.map((e) => `  expect ${e.fact} ${thousands(e.expected)}: ${foundText(e)}`),
    memoryLine(model, options, nodeHost.cores),
    ...stageLines(model, options),
    "",
  ].join("\n");
}

/** A plan with what it expects. */
const planLines = (judged: JudgedPlan): string =>
  ["", `plan ${judgedTitle(judged)}`, ...judged.facts.map((fact) => `  ${judgedFactText(fact)}`), ""].join(
    "\n",
  );

/** The memory of each stage that the spec has a block of. */
function stageLines(model: Model, { tiles }: CompileOptions): string[] {
  const planned = plannedStages(model);
  if (planned.length === 0) return [];
  const lines = planned.map(({ stage, ...module }) => {
    const options = { ...module.options, tiles };
    return `    ${trainingMemoryText(stage, trainingMemory({ ...module, options }, nodeHost.cores))}`;
  });
  return ["  stages after training:", ...lines, ...(model.rl ? [REFERENCE] : [])];
}

const REFERENCE = "    beside rl's module: the reference, 4 bytes for each parameter that is trained";

const left = (cell: string, width: number): string => cell.padEnd(width);
const right = (cell: string, width: number): string => cell.padStart(width);
/** How the table's columns stand: names and "× 12" to the left, numbers to the right. */
const padded = [left, right, left, right, right] as const;

function foundText({ result, found }: ModelSummary["expects"][number]): string {
  switch (result) {
    case "holds":
      return "holds";
    case "fails":
      return `fails, found ${thousands(found)}`;
    default:
      return "not checked, sizes were changed by --set";
  }
}

function sizesLine({ sizes: s, tokenizer, pattern }: Model): string {
  const kinds = pattern ? ` (${pattern.join(", ")})` : "";
  const keyValueHeads = s.kvHeads === s.heads ? "" : ` (${s.kvHeads} of keys and values)`;
  return [
    `vocab ${s.vocab} (${tokenizer})`,
    `context ${s.context}`,
    `width ${s.width}`,
    `${counted(s.layers, "layer")}${kinds}`,
    `${counted(s.heads, "head")}${keyValueHeads} of ${s.headDim}`,
  ].join(", ");
}

function jsonReport(
  path: string,
  source: string,
  { models, summaries: facts, judged, diagnostics }: CheckedWithPlans,
  limit: CompileOptions,
): unknown {
  return {
    file: path,
    ok: !hasErrors(diagnostics),
    models: models.map((model, i) => {
      const { parameters, parts, expects } = facts[i]!;
      return {
        ...model,
        parameters,
        activeParameters: activeParameters(model),
        parts,
        expects,
        ...plannedMemory(model, limit, nodeHost.cores),
        stages: Object.fromEntries(
          plannedStages(model).map(({ stage, ...module }) => [stage, trainingMemory(module, nodeHost.cores)]),
        ),
      };
    }),
    plans: judged.map((one) => judgedJson(one)),
    diagnostics: diagnostics.map((d) => jsonDiagnostic(path, source, d)),
  };
}

function jsonDiagnostic(path: string, source: string, d: Diagnostic): unknown {
  const place = ({ start, end, of }: Diagnostic["span"]): object => {
    const text = of?.text ?? source;
    const from = positionOf(text, start);
    const to = positionOf(text, end);
    return {
      file: of?.name ?? path,
      line: from.line,
      column: from.column,
      endLine: to.line,
      endColumn: to.column,
    };
  };
  return {
    code: d.code,
    severity: d.severity,
    ...place(d.span),
    text: d.text,
    notes: d.notes.map((n) => ({ text: n.text, ...(n.span ? place(n.span) : {}) })),
    ...(d.help === undefined ? {} : { help: d.help }),
  };
}
