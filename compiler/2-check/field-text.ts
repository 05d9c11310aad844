/** What a field takes, and what it is where it is not given, in words: for the reference and for editors. */
import { thousands } from "../../runtime/contract/amounts.ts";
import type { Option } from "./fields.ts";

/** "whole, 1 … 1,048,576", "true, false", "`relu`, `gelu`". */
export function valuesText(field: Option): string {
  const shown = (n: number): string => (n >= 10_000 ? thousands(n) : `${n}`);
  switch (field.kind) {
    case "flag":
      return "true, false";
    case "group":
      return `\`${field.callee}(…)\``;
    case "word":
      return field.words.map((w) => `\`${w}\``).join(", ");
    case "words":
      return `one or several of ${field.words.map((w) => `\`${w}\``).join(", ")}`;
    case "whole":
      return `whole, ${shown(field.min)} … ${shown(field.max)}`;
    case "real":
      return field.above
        ? `above ${shown(field.min)}, up to ${shown(field.max)}`
        : `${shown(field.min)} … ${shown(field.max)}`;
  }
}

/** "4 * width", "must be given". */
export const defaultText = (field: Option): string =>
  field.kind === "group" ? "none" : field.initial ? (field.shown ?? "") : "must be given";
