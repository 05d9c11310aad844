/**
 * Equations of objectives: from what was written to checked equations (runtime/contract/objective.ts). The
 * names are a closed set; every other word is a setting. A number is one of a token, of an answer, of a pair,
 * or a constant, and only sum, mean and last lead from tokens to an answer.
 */
import type { Value, Word } from "../1-parse/ast.ts";
import { parseOverride } from "../1-parse/parse.ts";
import { nearest } from "../diagnostics/nearest.ts";
import { either } from "../diagnostics/messages/message.ts";
import type { Span } from "../diagnostics/span.ts";
import {
  answerNames,
  functions,
  overRows,
  tokenNames,
  type AnswerName,
  type Equation,
  type FunctionName,
  type OverRows,
  type TokenName,
  type Unit,
  type Whose,
} from "../../runtime/contract/objective.ts";

/** Hears what is wrong with an equation, where, and what to do; `instead`: what to write in its place. */
export type Refuse = (span: Span, what: string, help: string, instead?: string) => void;

export interface CheckedEquation {
  readonly unit: Unit;
  readonly equation: Equation;
}

/** Undefined where something is wrong. `settings`: the names that it may use besides the closed set. */
export function checkEquation(
  value: Value,
  settings: readonly string[],
  refuse: Refuse,
): CheckedEquation | undefined {
  const found = termOf({ settings, refuse }, value);
  if (!found) return undefined;
  const unit = unitOf(found.about);
  if (unit) return { unit, equation: found.equation };
  const isTokens = typeof found.about === "object";
  refuse(
    value.span,
    isTokens ? "these are numbers of the tokens of one answer of a pair" : "this says nothing of the model",
    isTokens ? "write `sum(…)` or `mean(…)` around them" : "an objective is made of `logp`, for example",
  );
  return undefined;
}

/** An equation of the compiler's own: a mistake in it is a bug. */
export function equationFrom(text: string, settings: readonly string[]): CheckedEquation {
  const fail = (what: string): never => {
    throw new Error(`the equation ${text}: ${what}`);
  };
  const value = parseOverride({ name: "equation", text }, 0, (code) => fail(code));
  const checked = value && checkEquation(value, settings, (_span, what) => fail(what));
  return checked ?? fail("it has no value");
}

/** What a number is about: rows of an answer, an answer, both of a pair, or nothing that differs. */
type About = { readonly rows: Whose } | { readonly answer: Whose } | "pair" | "constant";
interface Checked {
  readonly equation: Equation;
  readonly about: About;
}
interface Context {
  readonly settings: readonly string[];
  readonly refuse: Refuse;
}

function unitOf(about: About): Unit | undefined {
  if (typeof about === "string") return about === "pair" ? "pair" : undefined;
  if ("rows" in about) return about.rows === "own" ? "token" : undefined;
  return about.answer === "own" ? "answer" : "pair";
}

function termOf(at: Context, value: Value): Checked | undefined {
  switch (value.kind) {
    case "number":
      return { equation: { kind: "number", value: value.value }, about: "constant" };
    case "word":
      return nameOf(at, value);
    case "call":
      return callOf(at, value);
    case "negative": {
      const inner = termOf(at, value.value);
      return inner && { ...inner, equation: { kind: "negate", value: inner.equation } };
    }
    case "sum":
      return chain(
        at,
        value.terms.map(({ sign, value: term }) => ({
          value: term,
          kind: sign === "+" ? "add" : "subtract",
        })),
      );
    case "product":
      return chain(
        at,
        value.factors.map(({ sign, value: factor }) => ({ value: factor, kind: products[sign] })),
      );
    case "flag":
      at.refuse(value.span, `\`${value.value}\` is no number`, "write 1 or 0");
      return undefined;
  }
}

const products = { "*": "multiply", "/": "divide", "%": "remainder" } as const;
type Arithmetic = Extract<Equation, { readonly left: Equation }>["kind"];

function chain(
  at: Context,
  parts: readonly { readonly value: Value; readonly kind: Arithmetic | "remainder" }[],
): Checked | undefined {
  let all: Checked | undefined;
  let right = true;
  for (const [i, { value, kind }] of parts.entries()) {
    const part = termOf(at, value);
    if (kind === "remainder") at.refuse(value.span, "an objective has no remainders", "leave the `%` out");
    if (!part || kind === "remainder" || !right) right = false;
    else if (i === 0) all = part;
    else
      all = joined(at, value.span, [all!, part], ([left, other]) => ({ kind, left: left!, right: other! }));
    right &&= all !== undefined;
  }
  return right ? all : undefined;
}

/** One number of several: they have to be about the same. */
function joined(
  at: Context,
  span: Span,
  parts: readonly Checked[],
  make: (equations: readonly Equation[]) => Equation,
): Checked | undefined {
  let about: About = "constant";
  for (const part of parts) {
    const why = whyApart(about, part.about);
    if (why) {
      at.refuse(span, why.what, why.help);
      return undefined;
    }
    about = together(about, part.about);
  }
  return { equation: make(parts.map((p) => p.equation)), about };
}

const isOfRows = (about: About): boolean => typeof about === "object" && "rows" in about;

/** Why two numbers cannot stand in one sum or product; undefined: they can. */
function whyApart(a: About, b: About): { readonly what: string; readonly help: string } | undefined {
  if (a === "constant" || b === "constant") return undefined;
  const over = "write `sum(…)`, `mean(…)` or `last(…)` around what is of tokens";
  if (isOfRows(a) !== isOfRows(b))
    return { what: "a number of each token stands beside one of a whole answer", help: over };
  const owners = new Set([whoseOf(a), whoseOf(b)]);
  if (owners.size === 1) return undefined;
  if (isOfRows(a)) return { what: "tokens of two answers have nothing to do with each other", help: over };
  return owners.has("own")
    ? {
        what: "one number is of a pair, the other does not say of which answer",
        help: "write `chosen.` or `rejected.` before it",
      }
    : undefined;
}

/** What two numbers are about that can stand together. */
const together = (a: About, b: About): About =>
  a === "constant" ? b : b === "constant" || whoseOf(a) === whoseOf(b) ? a : "pair";

function whoseOf(about: About): Whose | "pair" {
  if (typeof about === "string") return "pair";
  return "rows" in about ? about.rows : about.answer;
}

// ---- names

function nameOf(at: Context, { text, span }: Word): Checked | undefined {
  const dot = text.indexOf(".");
  const name = text.slice(dot + 1);
  const of = dot < 0 ? "own" : text.slice(0, dot);
  if (of !== "own" && of !== "chosen" && of !== "rejected") {
    at.refuse(span, `\`${of}\` is no answer of a pair`, "write `chosen.` or `rejected.`");
    return undefined;
  }
  if (Object.hasOwn(tokenNames, name))
    return { equation: { kind: "token", name: name as TokenName, of }, about: { rows: of } };
  if (Object.hasOwn(answerNames, name))
    return { equation: answerNumber(name as AnswerName, of), about: { answer: of } };
  if (dot < 0 && at.settings.includes(name))
    return { equation: { kind: "setting", name }, about: "constant" };
  const known = [...Object.keys(tokenNames), ...Object.keys(answerNames), ...(dot < 0 ? at.settings : [])];
  const near = nearest(name, known);
  at.refuse(
    span,
    Object.hasOwn(functions, name) || Object.hasOwn(overRows, name)
      ? `\`${name}\` is a function`
      : `objectives know no number called \`${name}\``,
    near ? `did you mean \`${near}\`?` : `there are ${known.join(", ")}`,
    near && (dot < 0 ? near : `${of}.${near}`),
  );
  return undefined;
}

function answerNumber(name: AnswerName, of: Whose): Equation {
  const token = (of_: TokenName): Equation => ({ kind: "token", name: of_, of });
  if (name === "score") return { kind: "over", how: "last", of, value: token("value") };
  if (name !== "ratio") return { kind: "answer", name, of };
  const value: Equation = { kind: "subtract", left: token("logp"), right: token("ref") };
  return { kind: "over", how: "sum", of, value };
}

// ---- calls

type Call = Extract<Value, { kind: "call" }>;

function callOf(at: Context, call: Call): Checked | undefined {
  const name = call.callee.text;
  if (call.args.some((a) => a.name)) {
    at.refuse(call.span, "arguments of functions have no names here", `write \`${name}(x)\``);
    return undefined;
  }
  if (name === "nll") return nllOf(at, call);
  const isOver = Object.hasOwn(overRows, name);
  if (!isOver && !Object.hasOwn(functions, name)) {
    const known = [...Object.keys(overRows), "nll", ...Object.keys(functions)];
    const near = nearest(name, known);
    const help = near ? `did you mean \`${near}\`?` : `there are ${either(known)}`;
    at.refuse(call.callee.span, `objectives know no function \`${name}\``, help, near);
    return undefined;
  }
  const wanted = isOver ? 1 : functions[name as FunctionName].arguments;
  if (call.args.length !== wanted) {
    const numbers = wanted === 1 ? "one number" : `${wanted} numbers`;
    at.refuse(
      call.span,
      `\`${name}\` takes ${numbers}, not ${call.args.length}`,
      `write all ${wanted} of them`,
    );
    return undefined;
  }
  const args = call.args.map((a) => termOf(at, a.value));
  if (!args.every((a) => a !== undefined)) return undefined;
  if (isOver) return overOf(at, call, name as OverRows, args[0]!);
  return joined(at, call.span, args, (equations) => ({
    kind: "call",
    name: name as FunctionName,
    args: equations,
  }));
}

/** A number of an answer, made of one of its rows. */
function overOf(at: Context, call: Call, how: OverRows, { about, equation }: Checked): Checked | undefined {
  if (typeof about === "object" && "rows" in about)
    return {
      equation: { kind: "over", how, of: about.rows, value: equation },
      about: { answer: about.rows },
    };
  at.refuse(
    call.span,
    about === "constant"
      ? `\`${how}\` of a constant`
      : `\`${how}\` of what is one number of an answer already`,
    `\`${how}\` goes over the tokens of an answer, as in \`${how}(logp)\``,
  );
  return undefined;
}

/** nll(chosen) = −mean(chosen.logp): what SFT makes smaller, for one answer of a pair. */
function nllOf(at: Context, { args, span }: Call): Checked | undefined {
  const [answer] = args;
  const of = args.length === 1 && answer!.value.kind === "word" ? answer!.value.text : undefined;
  if (of !== "chosen" && of !== "rejected") {
    at.refuse(
      span,
      "`nll` takes an answer of a pair",
      "write `nll(chosen)`; of a single answer `-mean(logp)`",
    );
    return undefined;
  }
  const mean: Equation = { kind: "over", how: "mean", of, value: { kind: "token", name: "logp", of } };
  return { equation: { kind: "negate", value: mean }, about: { answer: of } };
}
