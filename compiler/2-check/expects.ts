/** `expect FACT VALUE`: what a spec says should follow from it. */
import { grouped } from "../diagnostics/messages/message.ts";
import { nearest } from "../diagnostics/nearest.ts";
import { severityOf, type Reporter } from "../diagnostics/report.ts";
import { buildModel } from "./build-model.ts";
import { facts, factNames, isFact } from "./facts.ts";
import type { Resolved } from "./inherit.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { readNumber } from "./numbers.ts";
import { parameterRows } from "./parameters.ts";
import { unrecordedModel, type ModelRecorder } from "./record.ts";
import { makeScope, type Binding } from "./scope.ts";
import { sizeFields } from "./settings.ts";
import { explainCount, type Retry } from "./what-if.ts";

export interface CheckedFact {
  readonly fact: string;
  readonly expected: number;
  readonly found: number;
  /** "skipped": sizes came from `--set`, so the fact is about another model. */
  readonly result: "holds" | "fails" | "skipped";
}

export function checkExpects(
  resolved: Resolved,
  model: Model,
  resized: boolean,
  report: Reporter,
  record: ModelRecorder,
): CheckedFact[] {
  const scope = makeScope({ bindings: resolved.sizes, fields: sizeFields, report, record });
  return resolved.expects.flatMap(({ fact: { text: fact, span }, value, tolerance }): CheckedFact[] => {
    if (!isFact(fact)) {
      report("E0403", span, { fact, facts: factNames, nearest: nearest(fact, factNames) });
      return [];
    }
    const expected = readNumber(fact, value, scope, report);
    const found = facts[fact].of(model);
    if (expected === undefined) return [];
    const off = Math.abs(found - expected);
    const result =
      off <= ((tolerance?.value ?? 0) / 100) * Math.abs(expected) ? "holds" : resized ? "skipped" : "fails";
    if (result === "fails" && fact === "parameters") {
      const why = explainCount(model, expected, retryOf(resolved));
      report("E0401", value.span, { expected, found, nearest: why }, [{ text: countTable(model) }]);
    } else if (result === "fails") report("E0402", value.span, { fact, expected, found });
    return [{ fact, expected, found, result }];
  });
}

/** Builds the model again with other settings, in silence. */
const retryOf =
  (resolved: Resolved): Retry =>
  (settings) => {
    const { span } = resolved.node.name;
    const sizes = new Map<string, Binding>(resolved.sizes);
    for (const [text, value] of Object.entries(settings))
      sizes.set(text, {
        kind: "setting",
        key: { kind: "word", text, span },
        value: { kind: "number", value, span },
      });
    let wrong = false;
    const silent: Reporter = (code) => {
      wrong ||= severityOf(code) === "error";
    };
    const model = buildModel(
      { ...resolved, sizes },
      { report: silent, deferred: silent, record: unrecordedModel },
    );
    return wrong ? undefined : model;
  };

/** What each part contributes. */
function countTable(model: Model): string {
  const rows = parameterRows(model).filter((r) => r.total > 0);
  const width = Math.max(...rows.map((r) => grouped(r.total).length));
  const line = ({ total, section, times, name }: (typeof rows)[number]): string => {
    const repeated = section === "layer" ? `${times} × ` : "";
    return `  ${grouped(total).padStart(width)}  ${repeated}${section} ${name}`;
  };
  return ["the parameters are", ...rows.map(line)].join("\n");
}
