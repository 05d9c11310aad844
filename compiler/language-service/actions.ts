/** What could be done about a place: what the help of a diagnostic names, and the count as an `expect`. */
import type { FileNode, Item, ModelNode, Value } from "../1-parse/ast.ts";
import type { Diagnostic, Edit } from "../diagnostics/report.ts";
import type { Fix } from "../diagnostics/messages/message.ts";
import { grouped, quoted } from "../diagnostics/messages/message.ts";
import type { Span } from "../diagnostics/span.ts";
import type { Document } from "./document.ts";
import type { Action } from "./language-service.ts";

export function actions(doc: Document, within: Span): readonly Action[] {
  const there = doc.checked.diagnostics.filter((d) => !d.span.of && touches(d.span, within));
  const codes = [...new Set(there.map(({ code }) => code))];
  return [
    ...there.flatMap((d) => (d.fixes ?? []).flatMap((fix) => correction(doc, d, fix))),
    ...expectLine(doc, within),
    ...codes.map((code): Action => ({
      title: `explain ${code}`,
      kind: "explain",
      edits: [],
      explains: code,
    })),
  ];
}

const touches = (one: Span, other: Span): boolean => one.start <= other.end && other.start <= one.end;

function correction({ text, file }: Document, fixes: Diagnostic, fix: Fix): Action[] {
  const { span } = fixes;
  const change = (title: string, ...edits: readonly Edit[]): Action[] => [
    { title, kind: "quickfix", edits, fixes },
  ];
  const marked = text.slice(span.start, span.end);
  switch (fix.kind) {
    case "replace": {
      const place = fix.at ?? span;
      const title =
        fix.text === ""
          ? `remove ${quoted(marked)}`
          : place.start === place.end
            ? `add ${quoted(fix.text)}`
            : `write ${quoted(fix.text)}`;
      return change(title, { span: { start: place.start, end: place.end }, text: fix.text });
    }
    case "around": {
      const whole = fix.before + marked + fix.after;
      return change(`write ${quoted(whole)}`, { span, text: whole });
    }
    case "leave out": {
      const { isArgument, place } = smallestAround(file, span);
      const whole = isArgument ? withComma(text, place) : withLine(text, place);
      return change(`leave out ${quoted(text.slice(place.start, place.end))}`, { span: whole, text: "" });
    }
    case "add": {
      const model = file.models.find((node) => node.span.start <= span.start && span.end <= node.span.end);
      const edit = model && added(text, model, fix.text);
      return edit ? change(`add ${quoted(fix.text)}`, edit) : [];
    }
  }
}

interface Removable {
  readonly isArgument: boolean;
  readonly place: Span;
}

/** The smallest thing around a place that can be left out: an argument, an equation, a setting, a block. */
function smallestAround(file: FileNode, marked: Span): Removable {
  const around = file.models
    .flatMap(({ items }) => items.flatMap(removables))
    .filter(({ place }) => place.start <= marked.start && marked.end <= place.end);
  const length = ({ place }: Removable): number => place.end - place.start;
  const [smallest] = around.toSorted((one, other) => length(one) - length(other));
  return smallest ?? { isArgument: true, place: marked };
}

/** Everything in an item that can be left out, and the item itself. */
function removables(item: Item): readonly Removable[] {
  const statement = ({ span }: { readonly span: Span }): Removable => ({ isArgument: false, place: span });
  switch (item.kind) {
    case "layer":
      return [
        statement(item),
        ...item.assignments.flatMap((node) => [statement(node), ...argumentsOf(node.value)]),
      ];
    case "section":
      return [statement(item), ...item.settings.map(statement)];
    case "stage":
      return [
        statement(item),
        ...item.settings.map(statement),
        ...(item.lora ? [statement(item.lora), ...item.lora.settings.map(statement)] : []),
      ];
    case "tokenizer":
      return [statement(item)];
    default:
      return [statement(item), ...argumentsOf(item.value)];
  }
}

/** Arguments with a name, of all calls in a value. */
function argumentsOf(value: Value | undefined): readonly Removable[] {
  switch (value?.kind) {
    case "call":
      return value.args.flatMap(({ name, value: inner, span }) => [
        ...(name ? [{ isArgument: true, place: span }] : []),
        ...argumentsOf(inner),
      ]);
    case "sum":
      return value.terms.flatMap((term) => argumentsOf(term.value));
    case "product":
      return value.factors.flatMap((factor) => argumentsOf(factor.value));
    case "negative":
      return argumentsOf(value.value);
    default:
      return [];
  }
}

/** A statement with its line, where it has one for itself; else with the space before it. */
function withLine(text: string, { start, end }: Span): Span {
  const before = /(?<=^|[\r\n])[ \t]*$/.exec(text.slice(0, start));
  const behind = /^[ \t]*(?:\r\n|\r|\n|$)/.exec(text.slice(end));
  if (before && behind) return { start: before.index, end: end + behind[0].length };
  const space = /[ \t]*$/.exec(text.slice(0, start))!;
  return { start: before ? start : space.index, end };
}

/** An argument with the comma before it, or with the one behind it. */
function withComma(text: string, { start, end }: Span): Span {
  const before = /,\s*$/.exec(text.slice(0, start));
  if (before) return { start: before.index, end };
  const behind = /^\s*,\s*/.exec(text.slice(end));
  return { start, end: end + (behind ? behind[0].length : 0) };
}

/** Something new in a model: at its end, on a line of its own where the brace has one. */
function added(text: string, { span }: ModelNode, item: string): Edit | undefined {
  const brace = span.end - 1;
  if (text[brace] !== "}") return undefined;
  const lineStart = Math.max(text.lastIndexOf("\n", brace - 1), text.lastIndexOf("\r", brace - 1)) + 1;
  const isAlone = text.slice(lineStart, brace).trim() === "";
  const lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
  const at = isAlone ? lineStart : brace;
  const space = isAlone || /\s$/.test(text.slice(0, brace)) ? "" : " ";
  return {
    span: { start: at, end: at },
    text: isAlone ? `  ${item}${lineEnd}` : `${space}${item} `,
  };
}

/** `expect parameters N` for a model that has none: what the count is now, held from then on. */
function expectLine({ text, file, checked }: Document, within: Span): Action[] {
  return checked.summaries.flatMap(({ name, parameters, expects }): Action[] => {
    const model = file.models.find((node) => node.name.text === name)!;
    const isThere = touches(model.span, within) && !expects.some(({ fact }) => fact === "parameters");
    const line = `expect parameters ${grouped(parameters)}`;
    const edit = isThere ? added(text, model, line) : undefined;
    return edit ? [{ title: `write ${quoted(line)}`, kind: "refactor", edits: [edit] }] : [];
  });
}
