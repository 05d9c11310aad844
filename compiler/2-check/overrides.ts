/** `--set NAME=VALUE`: settings from the command line win over the file's. */
import type { Word } from "../1-parse/ast.ts";
import { parseOverride } from "../1-parse/parse.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Source } from "../diagnostics/span.ts";
import type { Resolved } from "./inherit.ts";
import type { Binding } from "./scope.ts";
import { otherNames, sampleFields, sectionFields, sizeFields, trainFields } from "./settings.ts";
import { blockFields, blockNames, type BlockName } from "./stages.ts";

export interface Override {
  readonly section: "model" | "train" | "sample" | "tokenizer" | BlockName;
  readonly name: string;
  readonly binding: Binding;
}

/** `lets`: names that any of the checked models defines. */
export function readOverrides(
  set: Readonly<Record<string, string>>,
  lets: ReadonlySet<string>,
  report: Reporter,
): Override[] {
  return Object.entries(set).flatMap(([path, valueText]) => {
    const source: Source = { name: "--set", text: `${path}=${valueText}` };
    const keySpan = { start: 0, end: path.length, of: source };
    const target = targetOf(path, lets);
    if (!target) {
      const known = [...Object.keys(sizeFields), ...lets, "tokenizer", ...paths];
      const other = Object.hasOwn(otherNames, path) ? otherNames[path] : undefined;
      const help = path === "seed" ? "say which: `train.seed` or `sample.seed`" : undefined;
      report("E0501", keySpan, { key: path, nearest: other ?? nearest(path, known), help });
      return [];
    }
    if (valueText.trim() === "") {
      report("E0502", keySpan, { why: `\`${target.name}\` gets no value` });
      return [];
    }
    const value = parseOverride(source, path.length + 1, report);
    const key: Word = { kind: "word", text: target.name, span: keySpan };
    return value
      ? [{ ...target, binding: { kind: target.isLet ? "let" : "setting", key, value } as const }]
      : [];
  });
}

/** Blocks within others first: `sft.lora.rank` is of the block `sft.lora`. */
const sections = ["train", "sample", ...blockNames.toSorted((a, b) => b.length - a.length)] as const;
const paths: readonly string[] = sections.flatMap((section) => {
  const fields = section === "train" || section === "sample" ? sectionFields[section] : blockFields[section];
  return Object.keys(fields).map((name) => `${section}.${name}`);
});

function targetOf(
  path: string,
  lets: ReadonlySet<string>,
): { section: Override["section"]; name: string; isLet: boolean } | undefined {
  const section = sections.find((s) => path.startsWith(`${s}.`) && paths.includes(path));
  if (section) return { section, name: path.slice(section.length + 1), isLet: false };
  if (path === "tokenizer") return { section: "tokenizer", name: path, isLet: false };
  if (Object.hasOwn(sizeFields, path) || lets.has(path))
    return { section: "model", name: path, isLet: lets.has(path) };
  const inTrain = Object.hasOwn(trainFields, path);
  const inSample = Object.hasOwn(sampleFields, path);
  return inTrain !== inSample
    ? { section: inTrain ? "train" : "sample", name: path, isLet: false }
    : undefined;
}

/** The model with the overrides on top. A let of another model is left alone. */
export function withOverrides(model: Resolved, overrides: readonly Override[]): Resolved {
  const sizes = new Map(model.sizes);
  const train = new Map(model.train);
  const sample = new Map(model.sample);
  const stages = new Map([...model.stages].map(([block, bindings]) => [block, new Map(bindings)]));
  let tokenizer = model.tokenizer;
  for (const { section, name, binding } of overrides) {
    if (section === "tokenizer") {
      if (binding.value?.kind === "word") tokenizer = binding.value;
    } else if (section === "train" || section === "sample")
      (section === "train" ? train : sample).set(name, binding);
    else if (section !== "model") stages.set(section, (stages.get(section) ?? new Map()).set(name, binding));
    else if (binding.kind === "setting" || sizes.has(name)) sizes.set(name, binding);
  }
  return { ...model, sizes, train, sample, stages, ...(tokenizer ? { tokenizer } : {}) };
}
