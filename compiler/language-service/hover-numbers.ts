/** Settings, lets and arithmetic: what they mean, what they come to, where they are set. */
import type { ModelNode, Value } from "../1-parse/ast.ts";
import { sizeFields } from "../2-check/settings.ts";
import { grouped, quoted } from "../diagnostics/messages/message.ts";
import { positionOf, type Span } from "../diagnostics/span.ts";
import { code, fieldDoc, paragraphs } from "./describe.ts";
import type { Document } from "./document.ts";
import { inModels, saidInModels } from "./in-models.ts";
import type { Hover } from "./language-service.ts";
import { definition } from "./names.ts";
import { contains, fieldsIn, within, type PlacedWord, type RoleOf } from "./roles.ts";

export function settingHover(
  doc: Document,
  key: string,
  { block, setting }: RoleOf<"setting">,
): string | undefined {
  const fields = fieldsIn(block);
  if (!Object.hasOwn(fields, key)) return undefined;
  const where =
    block === "model" || block === "plan" || block === "hardware"
      ? `of the ${block}`
      : `of \`${block.replace(".", " { ")}\``;
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
export function numberHover(
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
export function valueHover(doc: Document, name: string, span: Span): string {
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

/** "= 512": what a value comes to. */
export function comesTo(doc: Document, { span }: Value): string | undefined {
  const said = saidInModels(
    inModels(doc, span, ({ numbers }) => numbers.at(span)),
    grouped,
  );
  return said === undefined ? undefined : `= ${said}`;
}

/** `4 * width = 512`: the arithmetic around a place, as a whole. */
export function arithmeticHover(doc: Document, at: number): Hover | undefined {
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
