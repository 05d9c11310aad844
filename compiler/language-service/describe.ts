/** Rows of the language's tables as Markdown: for what a place means, and for what may stand there. */
import { defaultText, valuesText } from "../2-check/field-text.ts";
import type { Field, Option } from "../2-check/fields.ts";
import { facts, isFact } from "../2-check/facts.ts";
import { objectiveFields, objectives } from "../2-check/objectives.ts";
import { planFactDocs, type PlanFact } from "../2-check/plan-fields.ts";
import { parts, type PartSpec } from "../2-check/parts.ts";
import { tokenizers } from "../2-check/settings.ts";
import { stageDocs } from "../2-check/stages.ts";
import { amountText } from "../planner/amounts.ts";
import { figuresText, originText } from "../planner/hardware-text.ts";
import type { Accelerator } from "../planner/tables/hardware.ts";
import { sizeText, thousands } from "../../runtime/contract/amounts.ts";
import type { PartKind, TokenizerName } from "../../runtime/contract/model.ts";
import { answerNames, functions, overRows, tokenNames } from "../../runtime/contract/objective.ts";

/** "whole, 1 … 4096 · default 4 * width". */
export const fieldDetail = (field: Option): string => {
  const initial = defaultText(field);
  const given = initial === "must be given" ? initial : `default ${initial}`;
  return `${valuesText(field).replaceAll("`", "")} · ${given}`;
};

/** Meaning, what it takes, what it is where it is not given. */
export const fieldDoc = (field: Option): string => `${field.doc}\n\n*${fieldDetail(field)}*`;

export function partDoc(kind: PartKind): string {
  const { doc, equation, source }: PartSpec = parts[kind];
  return `${doc}\n\n${code(equation)}\n\n${source}`;
}

export const code = (text: string): string => `\`\`\`sinter\n${text}\n\`\`\``;

export const tokenizerDoc = (name: string): string | undefined =>
  Object.hasOwn(tokenizers, name) ? tokenizers[name as TokenizerName].doc : undefined;

export const factDoc = (name: string): string | undefined => (isFact(name) ? facts[name].doc : undefined);

export const planFactDoc = (name: string): string | undefined =>
  Object.hasOwn(planFactDocs, name) ? planFactDocs[name as PlanFact] : undefined;

/** A device in a line. */
export const hardwareDoc = (card: Accelerator): string =>
  `${card.title}: ${figuresText(card)} (${originText(card)})`;

/** A word that a setting takes: the setting's meaning; of an objective its own, with its equation. */
export function wordDoc(word: string, key: string, field: Field): string {
  if (key !== "objective" || !Object.hasOwn(objectives, word)) return fieldDoc(field);
  const { doc, source, equation } = objectives[word as keyof typeof objectives];
  return `${doc} (${source})\n\n${code(equation)}`;
}

/** A number or a function of objectives' equations; of "chosen.ratio" what "ratio" is. */
export function objectiveNameDoc(text: string): string | undefined {
  const name = text.slice(text.indexOf(".") + 1);
  const of = <T extends object>(table: T): T[keyof T] | undefined =>
    Object.hasOwn(table, name) ? table[name as keyof T] : undefined;
  const field = of(objectiveFields);
  if (field) return fieldDoc(field);
  if (name === "nll") return "Of `chosen` or `rejected`: −mean(logp) of that answer.";
  return of(tokenNames)?.doc ?? of(answerNames)?.doc ?? of(functions)?.doc ?? of(overRows);
}

/** What the words of the language begin. */
export const keywordDocs: Readonly<Record<string, string>> = {
  model: "`model NAME { … }`, or `model NAME like OTHER { … }`: what OTHER is, but for what stands here.",
  plan: "`plan NAME of MODEL on DEVICE { … }`: training on a cluster, with what it should come to.",
  hardware:
    "`hardware NAME { … }`, `hardware NAME like DEVICE { … }`: a device for plans, with figures of its own.",
  of: "Before the model that is planned.",
  on: "Before the devices that it is planned on.",
  like: "Takes everything from another model of the file, except its `expect`.",
  let: "`let NAME = arithmetic`: a number of your own.",
  embed: "How tokens become the first `x`: `embed token`, `embed token + position`, and a norm around it.",
  layer: "Equations, from top to bottom, for each layer anew. The last `x` goes to the next layer.",
  output: "From the last layer's `x` to one number for each token of the vocabulary: a `linear`, outermost.",
  tokenizer: "How texts become tokens. It decides the least `vocab`.",
  train: "Settings of training from the beginning.",
  sample: "Settings of writing.",
  alternate: "`layers 12 alternate dense, banded`: kinds of layers, over and over.",
  expect:
    "`expect FACT VALUE ± PERCENT%`: what should follow from the spec, for example a published count. " +
    "It is checked.",
  lora: "Two thin matrices beside linear maps are trained, and nothing else (Hu et al. 2021).",
  objective:
    "`objective NAME = equation`: what a stage makes smaller, for a token, an answer or a pair of answers.",
  head: "`head NAME linear(x)`: a scalar head, whose `value` equations of objectives may name.",
  ...stageDocs,
};

export const layerKindDocs: Readonly<Record<string, string>> = {
  dense: "A layer in which attention sees all earlier positions.",
  banded: "A layer in which attention sees as many positions as `band` says.",
};

/** Shapes as people read them: one row per token. */
export const shapeText = (columns: number): string => `[T, ${columns}]`;

/** "24,672", "7.08 M": exact where that is short. */
export const countText = (n: number): string => (n < 1e6 ? thousands(n) : amountText(n));

/** "286 M FLOP". */
export const flopsText = (flops: number): string => `${amountText(flops)} FLOP`;

/** "per token …: 94.4 M FLOP, 253 MiB moved". */
export const costLine = (flops: number, bytes: number): string =>
  `per token, at the end of a full context: ${flopsText(flops)}, ${sizeText(bytes)} moved`;

/** Those that are there, with empty lines between them. */
export const paragraphs = (...texts: readonly (string | undefined)[]): string =>
  texts.filter((text) => text !== undefined && text !== "").join("\n\n");
