/** What stands at a place: its meaning from the language's tables, and what it comes to in this text. */
import type { IToken } from "chevrotain";
import type { ModelNode, Value, Word } from "../1-parse/ast.ts";
import { facts, isFact } from "../2-check/facts.ts";
import { partParameters } from "../2-check/parameters.ts";
import { isPart } from "../2-check/parts.ts";
import { sizeFields } from "../2-check/settings.ts";
import { loraOf, stages } from "../2-check/stages.ts";
import { grouped, quoted } from "../diagnostics/messages/message.ts";
import { positionOf, type Span } from "../diagnostics/span.ts";
import { sizeText, thousands } from "../../runtime/contract/amounts.ts";
import type { Model, Part } from "../../runtime/contract/model.ts";
import { tokenCosts } from "./costs.ts";
import {
  code,
  factDoc,
  fieldDoc,
  flopsText,
  keywordDocs,
  layerKindDocs,
  objectiveNameDoc,
  partDoc,
  shapeText,
  tokenizerDoc,
  wordDoc,
} from "./describe.ts";
import { indexBefore, nameAt, spanOf, type Document } from "./document.ts";
import { inModels, saidInModels } from "./in-models.ts";
import type { Hover } from "./language-service.ts";
import { definition } from "./names.ts";
import { contains, fieldsIn, within, type Block, type Call, type PlacedWord, type Role } from "./roles.ts";

export function hover(doc: Document, at: number): Hover | undefined {
  const name = nameAt(doc, at);
  const placed = name && doc.roles.words.get(name.startOffset);
  if (placed) {
    const text = wordHover(doc, placed, at);
    if (text !== undefined) return { span: placed.word.span, markdown: text };
  }
  return arithmeticHover(doc, at) ?? keywordHover(name ?? tokenAt(doc, at));
}

function tokenAt(doc: Document, at: number): IToken | undefined {
  const token = doc.tokens[indexBefore(doc, at + 1)];
  return token && contains(spanOf(token), at) ? token : undefined;
}

function keywordHover(token: IToken | undefined): Hover | undefined {
  const word = token?.image ?? "";
  if (!token || !Object.hasOwn(keywordDocs, word)) return undefined;
  const block = blockOf(word);
  const settings = block && `Its settings: ${Object.keys(fieldsIn(block)).join(", ")}`;
  return { span: spanOf(token), markdown: paragraphs(`**${word}**`, keywordDocs[word], settings) };
}

/** The block that a word begins; all stages have the same adapters. */
function blockOf(word: string): Block | undefined {
  if (word === "lora") return loraOf("sft");
  return word === "train" || word === "sample" ? word : stages.find((stage) => stage === word);
}

/** "found: 8": what a fact is in the model that states it. */
function factFound({ checked, file }: Document, { text, span }: Word): string | undefined {
  const owner = file.models.find((model) => contains(model.span, span.start));
  const model = checked.models.find(({ name }) => name === owner?.name.text);
  return model && isFact(text) ? `found: ${grouped(facts[text].of(model))}` : undefined;
}

const paragraphs = (...texts: readonly (string | undefined)[]): string =>
  texts.filter((text) => text !== undefined && text !== "").join("\n\n");

// ---- words

function wordHover(doc: Document, { word, role }: PlacedWord, at: number): string | undefined {
  const titled = (about: string | undefined, ...more: readonly (string | undefined)[]): string | undefined =>
    about === undefined ? undefined : paragraphs(`**${word.text}**`, about, ...more);
  switch (role.kind) {
    case "model":
      return modelHover(doc, word.text);
    case "setting":
      return settingHover(doc, word.text, role);
    case "number":
      return numberHover(doc, { word, role }, at);
    case "let":
      return valueHover(doc, word.text, word.span);
    case "word":
      return titled(role.field && wordDoc(word.text, role.key, role.field), `of \`${role.key}\``);
    case "tokenizer":
      return titled(tokenizerDoc(word.text));
    case "layer kind":
      return titled(Object.hasOwn(layerKindDocs, word.text) ? layerKindDocs[word.text] : undefined);
    case "fact":
      return titled(factDoc(word.text), factFound(doc, word));
    case "part":
      return partHover(doc, role.call);
    case "group":
      return titled(fieldDoc(role.option));
    case "option":
      return (
        role.option &&
        paragraphs(
          `**${word.text}**: option of \`${role.part}\``,
          fieldDoc(role.option),
          comesTo(doc, role.value),
        )
      );
    case "value":
      return equationHover(doc, { word, role });
    case "objective name":
    case "function":
      return titled(objectiveNameDoc(word.text));
    case "objective":
      return titled("An objective of this model's own.");
    case "head":
      return titled("A scalar head: `value` in equations of objectives is what it says at a row.");
  }
}

function modelHover(doc: Document, name: string): string | undefined {
  const { checked, file } = doc;
  const node = file.models.find((model) => model.name.text === name);
  if (!node) return undefined;
  const i = checked.models.findIndex((model) => model.name === name);
  const like = node.like && `like \`${node.like.text}\``;
  const model = checked.models[i];
  if (!model) return paragraphs(`**${name}**`, like);
  const { sizes: s } = model;
  const sizes =
    `vocab ${s.vocab}, context ${s.context}, width ${s.width}, layers ${s.layers}, ` +
    `heads ${s.heads} (${s.kvHeads} of keys and values) of ${s.headDim}`;
  const { flops, bytes } = tokenCosts(model).whole;
  return paragraphs(
    `**${name}**`,
    like,
    sizes,
    origins(doc, name),
    `${thousands(checked.summaries[i]!.parameters)} parameters`,
    costLine(flops, bytes),
  );
}

/** "from `a`: context, heads; by default: kv_heads": where sizes come from that the model does not say. */
function origins({ symbols, file }: Document, name: string): string | undefined {
  const notes = symbols.models.find(({ resolved }) => resolved.node.name.text === name);
  if (!notes) return undefined;
  const { sizes, node } = notes.resolved;
  const origin = (key: string): string | undefined => {
    const given = sizes.get(key);
    if (!given) return "by default";
    const owner = file.models.find(({ span }) => contains(span, given.key.span.start));
    return owner && owner !== node ? `from ${quoted(owner.name.text)}` : undefined;
  };
  const groups = new Map<string, string[]>();
  for (const key of Object.keys(sizeFields)) {
    const from = origin(key);
    if (from !== undefined) groups.set(from, [...(groups.get(from) ?? []), key]);
  }
  return [...groups].map(([from, keys]) => `${from}: ${keys.join(", ")}`).join("; ");
}

const costLine = (flops: number, bytes: number): string =>
  `per token, at the end of a full context: ${flopsText(flops)}, ${sizeText(bytes)} moved`;

type RoleOf<K extends Role["kind"]> = Extract<Role, { kind: K }>;

function settingHover(doc: Document, key: string, { block, setting }: RoleOf<"setting">): string | undefined {
  const fields = fieldsIn(block);
  if (!Object.hasOwn(fields, key)) return undefined;
  const where = block === "model" ? "of the model" : `of \`${block.replace(".", " { ")}\``;
  return paragraphs(
    `**${key}**: setting ${where}`,
    fieldDoc(fields[key]!),
    setting.value && comesTo(doc, setting.value),
    block === "model" ? insteadOf(doc, key, setting.span) : undefined,
  );
}

/** "instead of `width 8` in `a`": what an older model says. */
function insteadOf({ symbols, text }: Document, key: string, span: Span): string | undefined {
  const own = symbols.models.find(({ resolved: { node } }) => contains(node.span, span.start));
  const older = own?.resolved.line.slice(1).find((model) => settingOf(model, key));
  const setting = older && settingOf(older, key);
  if (!older || !setting) return undefined;
  return `instead of \`${text.slice(setting.start, setting.end)}\` in ${quoted(older.name.text)}`;
}

const settingOf = ({ items }: ModelNode, key: string): Span | undefined =>
  items.find((item) => item.kind === "setting" && item.key.text === key)?.span;

/** The name of a number: what it means, what it comes to, where it is set. */
function numberHover(
  doc: Document,
  { word, role }: { readonly word: PlacedWord["word"]; readonly role: RoleOf<"number"> },
  at: number,
): string | undefined {
  const where = definition(doc, at);
  if (where && doc.symbols.definitions.get(where.start)?.kind === "let")
    return paragraphs(valueHover(doc, word.text, word.span), where && setAt(doc, where));
  const own = fieldsIn(role.block);
  const field = Object.hasOwn(sizeFields, word.text)
    ? sizeFields[word.text as keyof typeof sizeFields]
    : Object.hasOwn(own, word.text)
      ? own[word.text]
      : undefined;
  if (!field) return undefined;
  return paragraphs(
    `**${word.text}**`,
    fieldDoc(field),
    comesTo(doc, { ...word }),
    where ? setAt(doc, where) : "not given: by default",
  );
}

function setAt({ text, file }: Document, { start, end }: Span): string {
  const model = file.models.find(({ span }) => contains(span, start));
  const { line } = positionOf(text, start);
  const shown = quoted(text.slice(start, end));
  return `${shown} is set in line ${line}${model ? `, in ${quoted(model.name.text)}` : ""}`;
}

/** A let, where it is named and where it is used. */
function valueHover(doc: Document, name: string, span: Span): string {
  const [start] = doc.symbols.definitionsOf(span.start);
  const item = doc.file.models
    .flatMap(({ items }) => items)
    .find((one) => one.kind === "let" && one.name.span.start === (start ?? span.start));
  if (item?.kind !== "let") return `**${name}**`;
  const { value } = item;
  return paragraphs(
    code(`let ${name} = ${doc.text.slice(value.span.start, value.span.end)}`),
    comesTo(doc, value),
  );
}

// ---- numbers

/** "= 512": what a value comes to. */
function comesTo(doc: Document, { span }: Value): string | undefined {
  const said = saidInModels(
    inModels(doc, span, ({ numbers }) => numbers.at(span)),
    grouped,
  );
  return said === undefined ? undefined : `= ${said}`;
}

/** `4 * width = 512`: the arithmetic around a place, as a whole. */
function arithmeticHover(doc: Document, at: number): Hover | undefined {
  const whole = doc.roles.arithmetic.find(({ span }) => contains(span, at));
  if (!whole || (within(whole).length === 0 && whole.kind !== "number")) return undefined;
  const { span } = whole;
  const said = saidInModels(
    inModels(doc, span, ({ numbers }) => numbers.at(span)),
    grouped,
  );
  return said === undefined
    ? undefined
    : { span, markdown: code(`${doc.text.slice(span.start, span.end)} = ${said.replaceAll("`", "")}`) };
}

// ---- equations

function equationHover(
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

function partHover(doc: Document, call: Call): string | undefined {
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
