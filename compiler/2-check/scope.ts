/**
 * Settings and lets of one model, or of one of its sections, by name. Each is computed when it is first asked
 * for, so their order in the text means nothing; one that needs itself is reported.
 */
import type { Value, Word } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Field, Fields, Known } from "./fields.ts";
import { readField, readNumber, type Numbers, type Plain } from "./numbers.ts";
import type { ModelRecorder } from "./record.ts";
import { otherNames } from "./settings.ts";

export interface Binding {
  readonly kind: "setting" | "let";
  readonly key: Word;
  /** Undefined when the value could not be read, which has been reported already. */
  readonly value: Value | undefined;
}

export interface Scope extends Numbers {
  /** The value of a field or a let, or its default where the spec gives none. Undefined: missing or wrong. */
  read(key: string): Plain | undefined;
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly names: readonly string[];
  readonly record: ModelRecorder;
}

/** Where a scope stands, and who hears of it. */
export interface ScopeOptions {
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly fields: Fields;
  /** Numbers that defaults may use besides the fields. */
  readonly extra?: Known;
  readonly report: Reporter;
  readonly record: ModelRecorder;
  /** Its names come first: inside `train { … }`, "width" is the model's. */
  readonly outer?: Scope;
}

/** Definitions that use each other deeper than this are refused. */
const MAX_DEPTH = 64;

export const makeScope = (options: ScopeOptions): Scope => new LazyScope(options);

class LazyScope implements Scope {
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly names: readonly string[];
  readonly record: ModelRecorder;
  private readonly fields: Fields;
  private readonly extra: Known;
  private readonly report: Reporter;
  private readonly outer: Scope | undefined;
  private readonly values = new Map<string, Plain | undefined>();
  /** Names whose values are being computed, each because the one before it asked. */
  private readonly path: string[] = [];

  constructor({ bindings, fields, extra = {}, report, record, outer }: ScopeOptions) {
    this.bindings = bindings;
    this.fields = fields;
    this.extra = extra;
    this.report = report;
    this.record = record;
    this.outer = outer;
    const numeric = Object.keys(fields).filter((key) => isNumeric(fields[key]!));
    this.names = [...new Set([...numeric, ...bindings.keys(), ...(outer?.names ?? [])])];
  }

  read(key: string): Plain | undefined {
    if (this.values.has(key)) return this.values.get(key);
    if (this.path.includes(key) || this.path.length >= MAX_DEPTH) {
      this.reportCircle(key);
      for (const name of this.path) this.values.set(name, undefined); // one complaint for the whole circle
      return undefined;
    }
    this.path.push(key);
    const binding = this.bindings.get(key);
    const value = binding ? this.readBinding(key, binding) : this.readDefault(this.fieldOf(key));
    this.path.pop();
    if (!this.values.has(key)) this.values.set(key, value);
    return this.values.get(key);
  }

  number(name: Word): number | undefined {
    if (this.outer?.names.includes(name.text)) return this.outer.number(name);
    const field = this.fieldOf(name.text);
    const binding = this.bindings.get(name.text);
    if (binding) this.record.use(name, binding.key.span);
    if (binding || (field && isNumeric(field))) return asNumber(this.read(name.text));
    const other = Object.hasOwn(otherNames, name.text) ? otherNames[name.text] : undefined;
    const near = other ?? nearest(name.text, this.names);
    this.report("E0210", name.span, { name: name.text, nearest: near, help: undefined });
    return undefined;
  }

  private fieldOf(key: string): Field | undefined {
    return Object.hasOwn(this.fields, key) ? this.fields[key] : undefined;
  }

  private readBinding(key: string, { kind, value }: Binding): Plain | undefined {
    if (!value) return undefined;
    const field = kind === "setting" ? this.fieldOf(key) : undefined;
    return field
      ? readField(key, field, value, this, this.report)
      : readNumber(key, value, this, this.report);
  }

  private readDefault(field: Field | undefined): Plain | undefined {
    if (!field?.initial) return undefined;
    const value = field.initial(knownFrom((name) => this.extra[name] ?? asNumber(this.read(name))));
    const isNumberOfItsKind = field.kind === "whole" ? Number.isSafeInteger(value) : Number.isFinite(value);
    return typeof value !== "number" || isNumberOfItsKind ? value : undefined;
  }

  private reportCircle(key: string): void {
    const at = this.bindings.get(key) ?? this.bindings.get(this.path.at(-1)!);
    if (!at) return;
    if (this.path.includes(key))
      this.report("E0209", at.key.span, { key, chain: [...this.path.slice(this.path.indexOf(key)), key] });
    else
      this.report("E0111", at.key.span, {
        what: "definitions that use each other",
        count: this.path.length + 1,
        limit: MAX_DEPTH,
      });
  }
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
