/** A text's structure: its models and what they are made of, what can be folded, the lines above models. */
import type { HardwareNode, Item, ModelNode, PlanNode, Setting } from "../1-parse/ast.ts";
import type { Span } from "../diagnostics/span.ts";
import { positionOf } from "../diagnostics/span.ts";
import { thousands } from "../../runtime/contract/amounts.ts";
import { spanOf, type Document } from "./document.ts";
import type { Lens, ModelFacts, OutlineEntry } from "./language-service.ts";

export const outline = ({ file, text }: Document): readonly OutlineEntry[] => {
  const entry = (
    { name, span, items }: ModelNode | PlanNode | HardwareNode,
    kind: OutlineEntry["kind"],
    detail: string,
  ): OutlineEntry => ({
    name: name.text,
    detail,
    kind,
    span,
    nameSpan: name.span,
    children: items.map((item) => entryOf(item, text)),
  });
  const models = file.models.map((m) => entry(m, "model", m.like ? `like ${m.like.text}` : ""));
  const plans = file.plans.map((p) => {
    const said = { like: p.like, of: p.model, on: p.hardware };
    return entry(
      p,
      "plan",
      Object.entries(said)
        .flatMap(([word, name]) => (name ? `${word} ${name.text}` : []))
        .join(" "),
    );
  });
  const devices = file.hardware.map((d) => entry(d, "hardware", d.like ? `like ${d.like.text}` : ""));
  return [...models, ...plans, ...devices].sort((a, b) => a.span.start - b.span.start);
};

function entryOf(item: Item, text: string): OutlineEntry {
  const written = ({ span }: { readonly span: Span }): string => shortened(text.slice(span.start, span.end));
  const block = (
    name: string,
    kind: OutlineEntry["kind"],
    children: readonly OutlineEntry[] = [],
    detail = "",
  ): OutlineEntry => {
    const nameSpan = { start: item.span.start, end: item.span.start + name.length };
    return { name, detail, kind, span: item.span, nameSpan, children };
  };
  switch (item.kind) {
    case "setting":
      return settingEntry(item, text);
    case "section":
      return block(
        item.section,
        "section",
        item.settings.map((s) => settingEntry(s, text)),
      );
    case "stage":
      return block(
        item.stage,
        "section",
        item.settings.map((s) => settingEntry(s, text)),
      );
    case "layer":
      return block("layer", "equations");
    case "embed":
    case "output":
      return block(item.kind, "equations", [], written(item.value));
    case "tokenizer":
      return block("tokenizer", "setting", [], item.name.text);
    case "expect":
      return block("expect", "setting", [], `${item.fact.text} ${written(item.value)}`);
    case "let":
    case "objective":
    case "head": {
      const { name, span, value } = item;
      const kind = item.kind;
      return { name: name.text, detail: written(value), kind, span, nameSpan: name.span, children: [] };
    }
  }
}

const settingEntry = ({ key, value, span }: Setting, text: string): OutlineEntry => ({
  name: key.text,
  detail: value ? shortened(text.slice(value.span.start, value.span.end)) : "",
  kind: "setting",
  span,
  nameSpan: key.span,
  children: [],
});

const shortened = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
};

// ---- folding

export function folding(doc: Document): readonly Span[] {
  const lineOf = linesOf(doc.text);
  const blocks = [
    ...doc.file.models.flatMap(blocksOf),
    ...[...doc.file.plans, ...doc.file.hardware].map(({ span }) => span),
  ];
  return [...blocks, ...commentRuns(doc, lineOf)]
    .filter(({ start, end }) => lineOf(end) > lineOf(start))
    .sort((a, b) => a.start - b.start || b.end - a.end);
}

const blocksOf = ({ span, items }: ModelNode): Span[] => [
  span,
  ...items.flatMap((item) => {
    if (item.kind === "stage") return [item.span, ...(item.lora ? [item.lora.span] : [])];
    return item.kind === "layer" || item.kind === "section" ? [item.span] : [];
  }),
];

/** Comments on lines of their own, one below the other. */
function commentRuns({ comments, text }: Document, lineOf: (at: number) => number): Span[] {
  const runs: { start: number; end: number }[] = [];
  for (const { start, end } of comments.map(spanOf)) {
    const { lineStart } = positionOf(text, start);
    if (text.slice(lineStart, start).trim() !== "") continue;
    const last = runs.at(-1);
    if (last && lineOf(start) === lineOf(last.end) + 1) last.end = end;
    else runs.push({ start, end });
  }
  return runs;
}

/** The number of an offset's line. */
function linesOf(text: string): (at: number) => number {
  const starts = [0, ...[...text.matchAll(/\r\n|\n|\r/g)].map((m) => m.index + m[0].length)];
  return (at) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= at) low = middle;
      else high = middle;
    }
    return low;
  };
}

// ---- lenses

export const lenses = (models: readonly ModelFacts[]): readonly Lens[] =>
  models.flatMap(({ name, span: { start }, nameSpan: { end }, parameters }): Lens[] => [
    { span: { start, end }, title: "check", model: name, verb: "check" },
    { span: { start, end }, title: "train", model: name, verb: "train" },
    { span: { start, end }, title: `${thousands(parameters)} parameters`, model: name },
  ]);
