/** What completion offers, as rows: snippets of models, blocks and parts, and the names of objectives. */
import type { Field } from "../2-check/fields.ts";
import { objectiveFields } from "../2-check/objectives.ts";
import { planFactDocs } from "../2-check/plan-fields.ts";
import { parts, type PartSpec, type Section } from "../2-check/parts.ts";
import { sizeExamples } from "../2-check/sizes.ts";
import { norms, type PartKind } from "../../runtime/contract/model.ts";
import { answerNames, functions, overRows, tokenNames } from "../../runtime/contract/objective.ts";
import { fieldDetail, fieldDoc, keywordDocs, objectiveNameDoc, partDoc } from "./describe.ts";
import type { CompletionKind } from "./language-service.ts";

/** What is offered, before it is known what it replaces. */
export interface Offer {
  readonly label: string;
  readonly kind: CompletionKind;
  /** Default: the label. */
  readonly insert?: string;
  readonly isSnippet?: boolean;
  readonly detail?: string;
  readonly documentation?: string;
}

export const newModel: Offer = {
  label: "model",
  kind: "keyword",
  insert: [
    "model ${1:name} {",
    "  context ${2:64}   width ${3:128}   layers ${4:4}   heads ${5:4}",
    "",
    "  embed token + position",
    "  layer {",
    "    x += attention(layernorm(x))",
    "    x += mlp(layernorm(x))",
    "  }",
    "  output linear(layernorm(x), tied: true)",
    "}",
  ].join("\n"),
  isSnippet: true,
  documentation: keywordDocs["model"]!,
};

export const newHardware: Offer = {
  label: "hardware",
  kind: "keyword",
  insert: "hardware ${1:name} like ${2:h100} {\n  ${3:power} ${4:500}\n}",
  isSnippet: true,
  documentation: keywordDocs["hardware"]!,
};

/** A plan of this model. */
export const newPlan = (model: string): Offer => ({
  label: "plan",
  kind: "keyword",
  insert: [
    `plan \${1:name} of \${2:${model}} on \${3:h100} {`,
    "  devices ${4:8}   tokens ${5:1e9}",
    "  expect hours ${6:1} ± ${7:10}%",
    "}",
  ].join("\n"),
  isSnippet: true,
  documentation: keywordDocs["plan"]!,
});

/** Facts of a plan that it does not expect yet. */
export const planFactOffers = (given: readonly string[]): readonly Offer[] =>
  Object.entries(planFactDocs)
    .filter(([name]) => !given.includes(`expect ${name}`))
    .map(([label, documentation]) => ({
      label,
      kind: "setting",
      insert: `${label} \${1:1} ± \${2:10}%`,
      isSnippet: true,
      documentation,
    }));

/** What every model has beside its sizes. */
export const pieces = {
  embed: { label: "embed", kind: "keyword", ...snippet("embed ", "token + position") },
  layer: {
    label: "layer",
    kind: "keyword",
    insert: "layer {\n  x += ${1:mlp(layernorm(x))}\n}",
    isSnippet: true,
  },
  output: { label: "output", kind: "keyword", ...snippet("output ", "linear(layernorm(x), tied: true)") },
} as const satisfies Record<string, Offer>;

export function blockOffer(label: string): Offer {
  return {
    label,
    kind: "section",
    insert: `${label} {\n  \${1}\n}`,
    isSnippet: true,
    documentation: keywordDocs[label]!,
  };
}

export function partOffer(label: PartKind, section: Section): Offer {
  const { equation }: PartSpec = parts[label];
  const isNorm = norms.some((norm) => norm === label);
  const input = section === "embed" ? "token" : isNorm || section === "output" ? "x" : "layernorm(x)";
  return {
    label,
    kind: "part",
    ...snippet(`${label}(`, input, ")"),
    detail: equation,
    documentation: partDoc(label),
  };
}

/** Text with one place to fill in; without one, text alone. */
export function snippet(
  before: string,
  text: string | undefined,
  after = "",
): Pick<Offer, "insert" | "isSnippet"> {
  return text === undefined
    ? { insert: before }
    : { insert: `${before}\${1:${text.replaceAll(/[\\$}]/g, "\\$&")}}${after}`, isSnippet: true };
}

/** What may stand behind a name: its default where that is one value, a size that small models have. */
export function exampleOf(key: string, field: Field): string | undefined {
  const example = (sizeExamples as Readonly<Record<string, string | undefined>>)[key];
  if (example !== undefined) return example;
  if (field.kind === "flag") return field.shown === "true" ? "false" : "true";
  return field.shown !== undefined && /^[\w.]+$/.test(field.shown) ? field.shown : undefined;
}

// ---- objectives

/** Numbers of tokens and answers, for equations of objectives. */
export function objectiveNumbers(): readonly Offer[] {
  return [...Object.keys(answerNames), ...Object.keys(tokenNames)].map((label) => ({
    label,
    kind: "value",
    documentation: objectiveNameDoc(label)!,
  }));
}

/** What may stand in an equation of an objective. */
export function objectiveOperands(): readonly Offer[] {
  const calls: readonly (readonly [string, number])[] = [
    ...Object.keys(overRows).map((name) => [name, 1] as const),
    ["nll", 1],
    ...Object.entries(functions).map(([name, { arguments: count }]) => [name, count] as const),
  ];
  return [
    ...["chosen.", "rejected."].map((label): Offer => ({ label, kind: "value" })),
    ...objectiveNumbers(),
    ...Object.entries(objectiveFields).map(([label, field]): Offer => ({
      label,
      kind: "setting",
      detail: fieldDetail(field),
      documentation: fieldDoc(field),
    })),
    ...calls.map(([label, count]): Offer => ({
      label,
      kind: "function",
      insert: `${label}(${Array.from({ length: count }, (_, i) => `\${${i + 1}}`).join(", ")})`,
      isSnippet: true,
      documentation: objectiveNameDoc(label)!,
    })),
  ];
}
