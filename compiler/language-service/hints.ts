/** What follows from a text and does not stand in it: shapes behind equations, derived sizes, totals. */
import type { Item, ModelNode, Value } from "../1-parse/ast.ts";
import { parameterRows, partParameters, type PartCount } from "../2-check/parameters.ts";
import type { Field } from "../2-check/fields.ts";
import { isPart, parts, type Section } from "../2-check/parts.ts";
import { grouped } from "../diagnostics/messages/message.ts";
import type { Span } from "../diagnostics/span.ts";
import { counted, sizeText, thousands } from "../../runtime/contract/amounts.ts";
import type { Model, Optimizer, Part } from "../../runtime/contract/model.ts";
import { foundText } from "../planner/plan-facts.ts";
import { statesOf } from "../planner/tables/choices.ts";
import { countText, shapeText } from "./describe.ts";
import type { Document } from "./document.ts";
import { inModels } from "./in-models.ts";
import type { InlayHint } from "./language-service.ts";
import { within, type Call } from "./roles.ts";

export function inlayHints(doc: Document, range?: Span): readonly InlayHint[] {
  const isAsked = ({ at }: InlayHint): boolean => !range || (range.start <= at && at <= range.end);
  return [...doc.file.models.flatMap((node) => hintsOf(doc, node)), ...planHints(doc)]
    .filter(isAsked)
    .sort((a, b) => a.at - b.at);
}

const hintsOf = (doc: Document, node: ModelNode): InlayHint[] => [
  ...totals(doc, node),
  ...node.items.flatMap((item) => itemHints(doc, item)),
  ...doc.roles.arithmetic
    .filter(({ span }) => node.span.start <= span.start && span.end <= node.span.end)
    .flatMap((value) => comesTo(doc, value)),
  ...headDim(doc, node),
];

/** Behind each expectation of a plan, what was found. */
const planHints = ({ checked }: Document): InlayHint[] =>
  checked.judged.flatMap(({ block, facts }) =>
    facts.map(({ fact, found, isMet }, i): InlayHint => ({
      at: block.expects[i]!.span.end,
      text: `${isMet ? "met" : "missed"}: ${foundText(fact, found)}`,
      kind: "total",
    })),
  );

/** How the optimizer keeps its moments. */
const momentsOf = {
  adamw: "two moments in f32",
  adamw8: "two moments in 8 bits",
} as const satisfies Record<Optimizer, string>;

function totals(doc: Document, { name, like }: ModelNode): InlayHint[] {
  const { checked } = doc;
  const optimizer = modelNamed(doc, name.text)?.train.optimizer ?? "adamw";
  const facts = checked.summaries.find((summary) => summary.name === name.text);
  if (!facts) return [];
  const bytes = sizeText(Math.ceil(statesOf("sharded", optimizer).divided * facts.parameters));
  return [
    {
      at: (like ?? name).span.end,
      text: `${thousands(facts.parameters)} parameters`,
      kind: "total",
      tooltip:
        `To train: ${bytes} of weights, gradients and the optimizer's ${momentsOf[optimizer]}, and ` +
        "activations: `sinter check` has the exact bytes.",
    },
  ];
}

/** Behind the younger of width and heads, where head_dim is not given. */
function headDim(doc: Document, { name, items }: ModelNode): InlayHint[] {
  const model = modelNamed(doc, name.text);
  const settings = items.flatMap((item) => (item.kind === "setting" ? [item] : []));
  const last = settings.findLast(({ key }) => key.text === "heads" || key.text === "width");
  if (!model || !last || model.sizes.headDim * model.sizes.heads !== model.sizes.width) return [];
  if (settings.some(({ key }) => key.text === "head_dim")) return [];
  return [{ at: last.span.end, text: `head_dim ${model.sizes.headDim}`, kind: "size" }];
}

/** `= 512` behind arithmetic. */
function comesTo(doc: Document, value: Value): InlayHint[] {
  if (within(value).length === 0) return [];
  const [first] = inModels(doc, value.span, ({ numbers }) => numbers.at(value.span));
  return first ? [{ at: value.span.end, text: `= ${grouped(first.fact)}`, kind: "size" }] : [];
}

function itemHints(doc: Document, item: Item): InlayHint[] {
  switch (item.kind) {
    case "embed":
    case "output":
      return shape(doc, item.value, item, item.kind);
    case "layer":
      return item.assignments.flatMap((a) => [
        ...shape(doc, a.target, a, "layer"),
        ...callsIn(a.value).flatMap((call) => defaultsOf(doc, call)),
      ]);
    case "tokenizer":
      return vocab(doc, item.span);
    default:
      return [];
  }
}

/** `[T, 768] · 7.09 M parameters × 12` behind an equation. */
function shape(
  doc: Document,
  { span: result }: Value,
  { value, span: { end } }: { readonly value: Value; readonly span: Span },
  section: Section,
): InlayHint[] {
  const [first] = inModels(doc, result, ({ columns }) => columns.at(result));
  if (!first) return [];
  const model = modelNamed(doc, first.model);
  const all = callsIn(value).flatMap((call) => first.notes.parts.at(call.span) ?? []);
  const parameters =
    section === "embed" && model
      ? totalOf(parameterRows(model), section)
      : all.reduce((sum, part) => sum + partParameters(part), 0);
  const layers = section === "layer" ? (model?.sizes.layers ?? 1) : 1;
  const times = layers > 1 ? ` × ${layers}` : "";
  const count = parameters > 0 ? [`${countText(parameters)} parameters${times}`] : [];
  const exact = parameters > 0 ? [counted(parameters, "parameter") + (times && " in each layer")] : [];
  const rows = `in model \`${first.model}\` a row of ${counted(first.fact, "number")} for each of T tokens`;
  const text = [shapeText(first.fact), ...count].join(" · ");
  return [{ at: end, text, kind: "shape", tooltip: [rows, ...exact].join("; ") }];
}

const totalOf = (rows: readonly PartCount[], section: Section): number =>
  rows.filter((row) => row.section === section).reduce((sum, { total }) => sum + total, 0);

/** Calls of parts, inner before outer. */
function callsIn(value: Value): Call[] {
  if (value.kind !== "call") return within(value).flatMap(callsIn);
  const inner = value.args.filter((a) => !a.name).flatMap((a) => callsIn(a.value));
  return [...inner, ...(isPart(value.callee.text) ? [value] : [])];
}

/** Sizes of a part that follow from others: `hidden 3072` before the closing parenthesis. */
function defaultsOf(doc: Document, call: Call): InlayHint[] {
  const kind = call.callee.text;
  const [first] = inModels(doc, call.span, (notes) => notes.parts.at(call.span));
  if (!first || !isPart(kind)) return [];
  const field = parts[kind].options["hidden"] as Field | undefined;
  if (!field || call.args.some(({ name }) => name?.text === "hidden")) return [];
  const { hidden } = first.fact as Extract<Part, { hidden: number }>;
  return [{ at: call.span.end - 1, text: `hidden ${grouped(hidden)}`, kind: "size", tooltip: field.doc }];
}

/** Behind a tokenizer that decides the vocabulary. */
function vocab(doc: Document, span: Span): InlayHint[] {
  const [first] = inModels(doc, span, ({ resolved }) =>
    resolved.tokenizer && contained(resolved.tokenizer.span, span) && !resolved.sizes.has("vocab")
      ? modelNamed(doc, resolved.node.name.text)
      : undefined,
  );
  return first ? [{ at: span.end, text: `vocab ${grouped(first.fact.sizes.vocab)}`, kind: "size" }] : [];
}

const contained = (inner: Span, outer: Span): boolean => outer.start <= inner.start && inner.end <= outer.end;

const modelNamed = ({ checked }: Document, name: string): Model | undefined =>
  checked.models.find((model) => model.name === name);
