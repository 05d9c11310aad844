/** Values and parts of equations: shapes, parameters, what a token costs. */
import { thousands } from "../../runtime/contract/amounts.ts";
import type { Model, Part } from "../../runtime/contract/model.ts";
import { partParameters } from "../2-check/parameters.ts";
import { isPart } from "../2-check/parts.ts";
import { tokenCosts } from "./costs.ts";
import { costLine, paragraphs, partDoc, shapeText } from "./describe.ts";
import type { Document } from "./document.ts";
import { inModels, saidInModels } from "./in-models.ts";
import { contains, type Call, type PlacedWord, type RoleOf } from "./roles.ts";

export function equationHover(
  doc: Document,
  { word: { text, span }, role }: { readonly word: PlacedWord["word"]; readonly role: RoleOf<"value"> },
): string | undefined {
  const said = saidInModels(
    inModels(doc, span, ({ columns }) => columns.at(span)),
    shapeText,
  );
  const meanings: Readonly<Record<string, string>> = {
    token: "The rows of the token embedding.",
    position: "Learned positions, a row each.",
    x:
      role.section === "layer"
        ? "What enters the layer, and what goes on to the next."
        : "The last layer's rows.",
  };
  const meaning = role.section === "embed" || text === "x" ? meanings[text] : undefined;
  if (said === undefined && meaning === undefined) return undefined;
  return paragraphs(`**${text}**${said === undefined ? "" : ` ${said}`}`, meaning);
}

export function partHover(doc: Document, call: Call): string | undefined {
  const kind = call.callee.text;
  if (!isPart(kind)) return undefined;
  const found = inModels(doc, call.span, ({ parts }) => parts.at(call.span));
  const [first] = found;
  const shape = (part: Part, out: number | undefined): string =>
    `${shapeText(part.width)} → ${out === undefined ? "?" : shapeText(out)}`;
  return paragraphs(
    `**${kind}**(x)`,
    partDoc(kind),
    first && shape(first.fact, first.notes.columns.at(call.span)),
    saidInModels(found, (part) => `${thousands(partParameters(part))} parameters`),
    first && partCost(doc, call, first.model, first.fact),
  );
}

/** What the part costs per token; only a whole model tells. */
function partCost({ checked, file }: Document, call: Call, name: string, part: Part): string | undefined {
  const model = checked.models.find((one) => one.name === name);
  const section = file.models
    .flatMap(({ items }) => items)
    .find((item) => contains(item.span, call.span.start))?.kind;
  if (!model || (section !== "embed" && section !== "layer" && section !== "output")) return undefined;
  const { flops, bytes } = tokenCosts(model).part(section, part.name);
  return `${costLine(flops, bytes)}${inAllLayers(model, section)}`;
}

const inAllLayers = ({ sizes: { layers } }: Model, section: string): string =>
  section === "layer" && layers > 1 ? ` (all ${layers} layers together)` : "";
