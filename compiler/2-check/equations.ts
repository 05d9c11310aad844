/**
 * `embed`, `layer` and `output` as wholes: the equations in order, the names of parts, what is used and what
 * is not.
 */
import type { Value, Word } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import { addTensors, checkValue, type Context, type Tensor } from "./expressions.ts";
import { takenName, type Resolved } from "./inherit.ts";
import {
  isNorm,
  type Assignment,
  type Embed,
  type Expression,
  type PartKind,
} from "../../runtime/contract/model.ts";
import { describe } from "./numbers.ts";
import { partsOf } from "./parameters.ts";
import { isPart, type Section } from "./parts.ts";

/** Parts in one section; a hostile spec could have a hundred thousand. */
const MAX_PARTS = 256;

/** token, token + position, and a norm of that. Everything else is refused. */
/** What all three are checked with. */
export type Surroundings = Pick<Context, "scope" | "sizes" | "report" | "record">;

export function checkEmbed(model: Resolved, around: Surroundings): Embed | undefined {
  if (!model.embed) return undefined;
  const { value, span } = model.embed;
  const { report } = around;
  if (tooManyParts([value], span, report) || !checkTerms(value, report)) return undefined;
  const { width } = around.sizes;
  const values = new Map(embeddings.map((name) => [name, width]));
  const { expression } = checkValue({ ...contextOf("embed", [value], span, around), values }, value);
  if (!expression) return undefined;
  const norm = expression.kind === "apply" && isNorm(expression.part) ? expression.part : undefined;
  const terms = namesIn(norm && expression.kind === "apply" ? expression.input : expression);
  if (!terms) {
    const other = partsOf(expression).find((part) => !isNorm(part));
    const what = other
      ? `\`${other.part}\` is no norm`
      : "a norm of the embedding stands around all of it, once";
    report("E0311", value.span, { what, help: "write for example `embed layernorm(token + position)`" });
    return undefined;
  }
  if (terms.includes("token"))
    return { token: true, position: terms.includes("position"), ...(norm ? { norm } : {}) };
  const what = "the token itself is not embedded";
  if (!model.broken) report("E0311", span, { what, help: "begin with `token`" });
  return undefined;
}

const embeddings: readonly string[] = ["token", "position"];

/** Every name in the embedding is one of the two, and stands there once. */
function checkTerms(value: Value, report: Reporter): boolean {
  const seen = new Set<string>();
  let right = true;
  const wrong = (span: Span, what: string, help: string, near?: string): void => {
    right = false;
    report("E0311", span, { what, help, ...(near !== undefined && { nearest: near }) });
  };
  for (const { text, span } of wordsIn(value)) {
    const near = nearest(text, embeddings);
    const help = near ? `did you mean \`${near}\`?` : "use `token`, or `token + position`";
    if (!embeddings.includes(text)) wrong(span, `there is no embedding called \`${text}\``, help, near);
    else if (seen.has(text)) wrong(span, `\`${text}\` is added twice`, "once is enough");
    seen.add(text);
  }
  return right;
}

/** Names in sums and in what parts are given. */
function wordsIn(value: Value): readonly Word[] {
  switch (value.kind) {
    case "word":
      return [value];
    case "sum":
      return value.terms.flatMap((term) => wordsIn(term.value));
    case "call":
      return value.args.filter((a) => !a.name).flatMap((a) => wordsIn(a.value));
    default:
      return [];
  }
}

/** Of a sum of values; undefined: there is a part in it. */
function namesIn(e: Expression): readonly string[] | undefined {
  if (e.kind === "value") return [e.name];
  if (e.kind === "apply") return undefined;
  const left = namesIn(e.left);
  const right = namesIn(e.right);
  return left && right && [...left, ...right];
}

type Placed = Assignment & { readonly span: Span };

export function checkLayer(model: Resolved, around: Surroundings): Assignment[] | undefined {
  const { layer } = model;
  const { scope, sizes, report } = around;
  if (!layer) return undefined;
  const values = layer.assignments.map((a) => a.value);
  const last = layer.assignments.findLast((a) => a.target.text === "x");
  if (tooManyParts(values, layer.span, report)) return undefined;
  const at = contextOf("layer", values, layer.span, around);
  const assignments: Placed[] = [];
  let right = true;
  for (const { target, sign, value } of layer.assignments) {
    const name = target.text;
    const taken = takenName(name) ?? (scope.bindings.has(name) ? "a let" : undefined);
    if (taken) report("E0218", target.span, { name, what: taken, help: "choose another name" });
    const added = checkValue(at, value);
    const tensor = sign === "+=" ? addTensors(at, checkValue(at, target), added, value.span) : added;
    set(at, target, tensor);
    if (tensor.expression) assignments.push({ name, value: tensor.expression, span: target.span });
    right &&= tensor.expression !== undefined && !taken;
  }
  const refuse = (span: Span, why: string, help: string): void => {
    right = false;
    if (!model.broken) report("E0308", span, { why, help });
  };
  const keyword = { ...layer.span, end: layer.span.start + "layer".length };
  const columns = at.values.get("x");
  if (!last) refuse(keyword, "the layer never sets x", "end with `x += …` or `x = …`");
  else if (right && isUnchanged(assignments))
    refuse(keyword, "the layer hands on x as it came", "let it do something: `x += mlp(layernorm(x))`");
  else if (columns !== undefined && columns !== sizes.width)
    refuse(
      last.target.span,
      `the layer ends with an x of width ${columns}, not ${sizes.width}`,
      "bring it back with `linear(…, out: width)`",
    );
  return right ? dropUnused(assignments, report) : undefined;
}

/** From here on, the name means this tensor. */
function set(at: Context, target: Word, { columns }: Tensor): void {
  const { text, span } = target;
  at.record.define("value", target);
  const before = at.definitions.get(text);
  if (before) at.record.same(before, span);
  if (columns !== undefined) at.record.columns(span, columns);
  at.definitions.set(text, span);
  at.values.set(text, columns);
}

export function checkOutput(model: Resolved, around: Surroundings): Expression | undefined {
  if (!model.output) return undefined;
  const { value, span } = model.output;
  const { sizes, report } = around;
  if (tooManyParts([value], span, report)) return undefined;
  const { expression, columns } = checkValue(contextOf("output", [value], span, around), value, true);
  const isCall = value.kind === "call";
  if (isCall && value.callee.text === "linear") {
    if (columns === undefined || columns === sizes.vocab) return expression;
    report("E0309", value.span, {
      found: `this one has ${columns} columns, and the vocabulary has ${sizes.vocab}`,
      help: "leave `out` away",
    });
  } else if (!isCall || isPart(value.callee.text)) {
    // unknown parts are told already
    const shown = isCall ? `${value.callee.text}(…)` : value.kind === "word" ? value.text : "…";
    report("E0309", value.span, {
      found: `not in ${describe(value)}`,
      help: `write \`linear(${shown})\``,
      isWrapped: true,
    });
  }
  return undefined;
}

// ---- names of parts

function contextOf(section: Section, written: readonly Value[], span: Span, around: Surroundings): Context {
  return {
    ...around,
    section,
    values: new Map([["x", around.sizes.width]]),
    definitions: new Map([["x", { start: span.start, end: span.start }]]),
    nameOf: partNamer(written),
  };
}

/**
 * "attention" where a section has one of a kind; "layernorm_1", "layernorm_2" where it has more: as they are
 * computed, inner before outer.
 */
function partNamer(written: readonly Value[]): (kind: PartKind) => string {
  const total = countParts(written);
  const next = new Map<string, number>();
  return (kind) => {
    const n = (next.get(kind) ?? 0) + 1;
    next.set(kind, n);
    return total.get(kind) === 1 ? kind : `${kind}_${n}`;
  };
}

/**
 * Calls by the word that they begin with. `all`: also those that are a setting's value (`qk_norm:
 * rmsnorm()`), which are no parts.
 */
function countParts(
  values: readonly Value[],
  all = false,
  found = new Map<string, number>(),
): Map<string, number> {
  for (const value of values) {
    if (value.kind === "sum")
      countParts(
        value.terms.map((t) => t.value),
        all,
        found,
      );
    if (value.kind !== "call") continue;
    found.set(value.callee.text, (found.get(value.callee.text) ?? 0) + 1);
    countParts(
      value.args.filter((a) => all || !a.name).map((a) => a.value),
      all,
      found,
    );
  }
  return found;
}

function tooManyParts(values: readonly Value[], span: Span, report: Reporter): boolean {
  const count = [...countParts(values, true).values()].reduce((a, b) => a + b, 0);
  if (count > MAX_PARTS) report("E0111", span, { what: "parts in one section", count, limit: MAX_PARTS });
  return count > MAX_PARTS;
}

// ---- what is used

/** Whether the last x is only another name of the first. */
function isUnchanged(assignments: readonly Assignment[]): boolean {
  const same = new Set(["x"]);
  for (const { name, value } of assignments) {
    if (value.kind === "value" && same.has(value.name)) same.add(name);
    else same.delete(name);
  }
  return same.has("x");
}

/** From the last equation upward: what nothing below reads is not built. */
function dropUnused(assignments: readonly Placed[], report: Reporter): Assignment[] {
  const needed = new Set(["x"]);
  const kept: Assignment[] = [];
  for (const { name, value, span } of assignments.toReversed()) {
    if (!needed.delete(name)) {
      report("W0315", span, { name });
      continue;
    }
    readNames(value, needed);
    kept.unshift({ name, value });
  }
  return kept;
}

function readNames(expression: Expression, into: Set<string>): void {
  switch (expression.kind) {
    case "value":
      into.add(expression.name);
      break;
    case "apply":
      readNames(expression.input, into);
      break;
    case "add":
      readNames(expression.left, into);
      readNames(expression.right, into);
  }
}
