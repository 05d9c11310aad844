/**
 * Settings and lets of one model, or of one of its sections, by name. Each is computed when it is first asked
 * for, so their order in the text means nothing; one that needs itself is reported.
 */
import type { Value, Word } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Field, Fields, Known } from "./fields.ts";
import { readField, readNumber, type Numbers, type Plain } from "./numbers.ts";
import { otherNames } from "./settings.ts";

export interface Binding {
  readonly kind: "setting" | "let";
  readonly key: Word;
  /** undefined: the value could not be read, which is reported already. */
  readonly value: Value | undefined;
}

export interface Scope extends Numbers {
  /** The value of a field or let; its default where it is not given. undefined: missing or wrong. */
  read(key: string): Plain | undefined;
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly names: readonly string[];
}

/** Definitions that use each other deeper than this are refused. */
const MAX_DEPTH = 64;

/** `extra`: numbers that defaults may use besides the fields. `outer`: names here mean its numbers first. */
export function makeScope(
  bindings: ReadonlyMap<string, Binding>,
  fields: Fields,
  extra: Known,
  report: Reporter,
  outer?: Scope,
): Scope {
  const memo = new Map<string, Plain | undefined>();
  const path: string[] = [];
  const fieldOf = (key: string): Field | undefined => (Object.hasOwn(fields, key) ? fields[key] : undefined);

  const read = (key: string): Plain | undefined => {
    if (memo.has(key)) return memo.get(key);
    const binding = bindings.get(key);
    if (path.includes(key) || path.length >= MAX_DEPTH) {
      const at = binding ?? bindings.get(path.at(-1)!);
      if (at && path.includes(key))
        report("E0209", at.key.span, { key, chain: [...path.slice(path.indexOf(key)), key] });
      else if (at)
        report("E0111", at.key.span, {
          what: "definitions that use each other",
          count: path.length + 1,
          limit: MAX_DEPTH,
        });
      for (const name of path) memo.set(name, undefined); // one complaint for the whole circle
      return undefined;
    }
    path.push(key);
    const value = binding ? readBinding(key, binding) : readDefault(fieldOf(key));
    path.pop();
    if (!memo.has(key)) memo.set(key, value);
    return memo.get(key);
  };

  const readBinding = (key: string, { kind, value }: Binding): Plain | undefined => {
    if (!value) return undefined;
    const field = kind === "setting" ? fieldOf(key) : undefined;
    return field ? readField(key, field, value, scope, report) : readNumber(key, value, scope, report);
  };

  const readDefault = (field: Field | undefined): Plain | undefined => {
    if (!field?.initial) return undefined;
    const value = field.initial(knownFrom((name) => extra[name] ?? asNumber(read(name))));
    const isNumberOfItsKind = field.kind === "whole" ? Number.isSafeInteger(value) : Number.isFinite(value);
    return typeof value !== "number" || isNumberOfItsKind ? value : undefined;
  };

  const scope: Scope = {
    bindings,
    read,
    names: [
      ...new Set([
        ...Object.keys(fields).filter((k) => isNumeric(fields[k]!)),
        ...bindings.keys(),
        ...(outer?.names ?? []),
      ]),
    ],
    number(name) {
      if (outer?.names.includes(name.text)) return outer.number(name);
      const field = fieldOf(name.text);
      if (bindings.has(name.text) || (field && isNumeric(field))) return asNumber(read(name.text));
      const other = Object.hasOwn(otherNames, name.text) ? otherNames[name.text] : undefined;
      report("E0210", name.span, {
        name: name.text,
        nearest: other ?? nearest(name.text, scope.names),
        help: undefined,
      });
      return undefined;
    },
  };
  return scope;
}

const isNumeric = (field: Field): boolean => field.kind === "whole" || field.kind === "real";
const asNumber = (value: Plain | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;

/**
 * Defaults take their numbers by name: `({ width, heads }) => width / heads`. Only those that it asks for are
 * computed.
 */
export const knownFrom = (lookup: (name: string) => number | undefined): Known =>
  new Proxy<Record<string, number | undefined>>(
    {},
    { get: (_, name) => (typeof name === "string" ? lookup(name) : undefined) },
  );
