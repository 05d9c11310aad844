/** What stands at a place: its meaning from the language's tables, and what it comes to in this text. */
import { loraOf, stages } from "../2-check/stages.ts";
import { acceleratorNamed } from "../planner/tables/hardware.ts";
import {
  factDoc,
  fieldDoc,
  hardwareDoc,
  keywordDocs,
  layerKindDocs,
  objectiveNameDoc,
  paragraphs,
  planFactDoc,
  tokenizerDoc,
  wordDoc,
} from "./describe.ts";
import { indexBefore, nameAt, spanOf, type Document } from "./document.ts";
import { equationHover, partHover } from "./hover-equations.ts";
import { modelHover, factFound } from "./hover-models.ts";
import { planFactFound, planHover } from "./hover-plans.ts";
import { settingHover, numberHover, valueHover, comesTo, arithmeticHover } from "./hover-numbers.ts";
import type { Hover } from "./language-service.ts";
import { contains, fieldsIn, type Block, type PlacedWord } from "./roles.ts";
import type { IToken } from "chevrotain";

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

/** Of the text's own, or of the table; one with mistakes is none. */
function cardDoc({ checked }: Document, name: string): string | undefined {
  const card = checked.hardware.get(name) ?? acceleratorNamed(name);
  return card && hardwareDoc(card);
}

/** The block that a word begins; all stages have the same adapters. */
function blockOf(word: string): Block | undefined {
  if (word === "lora") return loraOf("sft");
  return word === "train" || word === "sample" || word === "plan" || word === "hardware"
    ? word
    : stages.find((stage) => stage === word);
}

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
    case "plan":
      return planHover(doc, word);
    case "hardware":
      return titled(cardDoc(doc, word.text));
    case "plan fact":
      return titled(planFactDoc(word.text), planFactFound(doc, word));
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
