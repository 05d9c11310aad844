/**
 * Which part of a model a node computes something of: a graph knows its parts by the names of their values,
 * "attention.qkv.out" and "layers.attention.qkv.weight".
 */
import type { OutputName } from "../../runtime/contract/entries.ts";
import {
  isNameIn,
  nameIn,
  POSITION_TABLE,
  TOKEN_TABLE,
  type ParameterSection,
} from "../../runtime/contract/parameter-names.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { layerParts, outermost, partsOf } from "../2-check/parameters.ts";
import type { Node, Role } from "./ir.ts";

export interface PartName {
  readonly section: ParameterSection;
  /** Unique in its section: "layernorm_2". The embedding itself is "token". */
  readonly part: string;
}

/**
 * Undefined: it is of no part, as a sum, the loss or the update. Backward nodes are of their forward's. Whose
 * weights a node reads says more than what it makes: the cotangent of what a part was given is that part's.
 */
export function partOfNode(model: Model, role: Role, { ins, outs }: Node): PartName | undefined {
  const section = sectionOf[role];
  if (!section) return undefined;
  const weights = Object.values(ins).flatMap(({ value }) => (isParameter(value) ? [value] : []));
  const made = Object.values(outs).map(({ value }) => value);
  const parts = partNames(model, section);
  for (const value of [...weights, ...made]) {
    const name = fullName(section, value);
    const part =
      parts.find((one) => name.startsWith(`${nameIn(section, one)}.`)) ?? partOfTable(model, section, value);
    if (part !== undefined) return { section, part };
  }
  return undefined;
}

/** The part that reads the embedding's tables; a tied output has them as its weight. */
function partOfTable(model: Model, section: ParameterSection, value: string): string | undefined {
  const isOfTable = value.startsWith(TOKEN_TABLE) || value.startsWith(POSITION_TABLE);
  if (section === "embed") return isOfTable ? "token" : undefined;
  const isLast = section === "output" && (isOfTable || logits.has(value));
  return isLast ? outermost(model.output).part.name : undefined;
}

const sectionOf: Readonly<Partial<Record<Role, ParameterSection>>> = {
  embed: "embed",
  layer: "layer",
  head: "output",
};

const isParameter = (value: string): boolean => value.endsWith(".weight") || value.endsWith(".bias");
const logits: ReadonlySet<string> = new Set(["logits", "row_logits"] satisfies OutputName[]);

/** A value's name with its section in front, which activations of a layer leave out; a cotangent's primal. */
function fullName(section: ParameterSection, value: string): string {
  const primal = value.replace(/^d_/, "");
  return section === "layer" && !isNameIn("layer", primal) ? nameIn("layer", primal) : primal;
}

function partNames(model: Model, section: ParameterSection): readonly string[] {
  switch (section) {
    case "layer":
      return layerParts(model).map(({ name }) => name);
    case "output":
      return partsOf(model.output).map(({ name }) => name);
    default:
      return model.embed.norm ? [model.embed.norm.name] : [];
  }
}
