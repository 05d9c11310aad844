/**
 * Arithmetic over settings and lets; one value read as a field wants it. Wrong values are reported once, and
 * undefined from then on.
 */
import type { Value, Word } from "../1-parse/ast.ts";
import { quoted } from "../diagnostics/messages/message.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Field, WordField } from "./fields.ts";
import type { ModelRecorder } from "./record.ts";

/** The numbers that a name may stand for. */
export interface Numbers {
  /** undefined: unknown or wrong, and reported. */
  number(name: Word): number | undefined;
  /** Hears what each value comes to, and each value inside of it. */
  readonly record: Pick<ModelRecorder, "number">;
}

export type Plain = number | boolean | string | readonly string[];

export function readField(
  key: string,
  field: Field,
  value: Value,
  numbers: Numbers,
  report: Reporter,
): Plain | undefined {
  switch (field.kind) {
    case "flag":
      return readFlag(key, value, report);
    case "word":
      return readWord(key, field, value, report);
    case "words": {
      const given = value.kind === "words" ? value.words : [value];
      const word: WordField = { kind: "word", doc: field.doc, words: field.words };
      const read = given.map((one) => readWord(key, word, one, report));
      return read.every((one) => one !== undefined) ? [...new Set(read)] : undefined;
    }
    case "whole":
    case "real": {
      const n = readNumber(key, value, numbers, report);
      if (n === undefined) return undefined;
      if (n < field.min || n > field.max || (field.above && n === field.min)) {
        report("E0204", value.span, {
          key,
          value: n,
          min: field.min,
          max: field.max,
          ...(field.above ? { above: true } : {}),
          ...(field.unit && { unit: field.unit }),
        });
        return undefined;
      }
      if (field.kind === "whole" && !Number.isSafeInteger(n)) {
        report("E0205", value.span, { key, value: n });
        return undefined;
      }
      return n;
    }
  }
}

function readFlag(key: string, value: Value, report: Reporter): boolean | undefined {
  if (value.kind === "flag") return value.value;
  report("E0207", value.span, { key, wanted: "true or false", found: describe(value), help: undefined });
  return undefined;
}

function readWord(key: string, field: WordField, value: Value, report: Reporter): string | undefined {
  if (value.kind !== "word") {
    report("E0207", value.span, {
      key,
      wanted: "a word",
      found: describe(value),
      help: `use one of ${field.words.join(", ")}`,
    });
    return undefined;
  }
  if (field.words.includes(value.text)) return value.text;
  const later = field.later && Object.hasOwn(field.later, value.text) ? field.later[value.text] : undefined;
  report("E0208", value.span, {
    key,
    word: value.text,
    words: field.words,
    nearest: nearest(value.text, field.words),
    help: later,
  });
  return undefined;
}

/** A number for `key`, of any size. */
export function readNumber(
  key: string,
  value: Value,
  numbers: Numbers,
  report: Reporter,
): number | undefined {
  const n = evaluate(key, value, numbers, report);
  if (n === undefined) return undefined;
  if (Number.isFinite(n)) return n === 0 ? 0 : n; // −0 is 0
  report("E0211", value.span, { what: Number.isNaN(n) ? "this has no value" : "this is larger than 1e308" });
  return undefined;
}

function evaluate(key: string, value: Value, numbers: Numbers, report: Reporter): number | undefined {
  const n = compute(key, value, numbers, report);
  if (n !== undefined) numbers.record.number(value, n);
  return n;
}

function compute(key: string, value: Value, numbers: Numbers, report: Reporter): number | undefined {
  const inner = (v: Value): number | undefined => evaluate(key, v, numbers, report);
  switch (value.kind) {
    case "number":
      return value.value;
    case "word":
      return numbers.number(value);
    case "negative": {
      const n = inner(value.value);
      return n === undefined ? undefined : -n;
    }
    case "sum": {
      let sum: number | undefined = 0;
      for (const t of value.terms) {
        const n = inner(t.value); // also after a wrong term: all mistakes are told
        sum = sum === undefined || n === undefined ? undefined : t.sign === "+" ? sum + n : sum - n;
      }
      return sum;
    }
    case "product": {
      let product: number | undefined = 1;
      for (const f of value.factors) {
        const n = inner(f.value);
        if (product === undefined || n === undefined) product = undefined;
        else if (f.sign === "*") product *= n;
        else if (n === 0) {
          report("E0211", f.value.span, {
            what: f.sign === "/" ? "division by zero" : "remainder of a division by zero",
          });
          product = undefined;
        } else product = f.sign === "/" ? product / n : product % n;
      }
      return product;
    }
    case "flag":
    case "words":
    case "call": {
      const help = value.kind === "call" ? "parts belong in `layer` and `output`" : undefined;
      report("E0207", value.span, { key, wanted: "a number", found: describe(value), help });
      return undefined;
    }
  }
}

export function describe(value: Value): string {
  switch (value.kind) {
    case "number":
      return `the number ${value.value}`;
    case "flag":
      return `\`${value.value}\``;
    case "word":
      return quoted(value.text);
    case "words":
      return "several words";
    case "call":
      return quoted(`${value.callee.text}(…)`);
    case "sum":
    case "product":
    case "negative":
      return "arithmetic";
  }
}
