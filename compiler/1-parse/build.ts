/**
 * From the concrete tree that Chevrotain builds (with holes where it recovered) to the syntax tree of ast.ts.
 */
import type { CstElement, CstNode, IToken } from "chevrotain";
import type { StageName } from "../../runtime/contract/model.ts";
import { covering, type Span } from "../diagnostics/span.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type {
  Argument,
  AssignmentNode,
  Expect,
  Factor,
  HardwareNode,
  Item,
  LoraNode,
  ModelNode,
  PlanNode,
  Setting,
  Term,
  Value,
  Word,
} from "./ast.ts";
import * as t from "./tokens.ts";

export interface Building {
  place(start: number, end: number): Span;
  readonly report: Reporter;
}

/** Terms of one sum or product. */
export const MAX_TERMS = 64;

// ---- access to a concrete node's children; a token that recovery invented has no place and counts as
// missing
const isNode = (e: CstElement): e is CstNode => "children" in e;
const nodes = (n: CstNode, key: string): CstNode[] => (n.children[key] ?? []).filter(isNode);
const tokensOf = (n: CstNode, key: string): IToken[] =>
  (n.children[key] ?? []).filter(
    (e): e is IToken => !isNode(e) && !e.isInsertedInRecovery && e.startOffset >= 0,
  );
const node = (n: CstNode, key: string): CstNode | undefined => nodes(n, key)[0];
const token = (n: CstNode, key: string): IToken | undefined => tokensOf(n, key)[0];

const tokenSpan = (b: Building, tok: IToken): Span =>
  b.place(tok.startOffset, tok.startOffset + tok.image.length);
const word = (b: Building, tok: IToken): Word => ({ kind: "word", text: tok.image, span: tokenSpan(b, tok) });

function nodeSpan(b: Building, n: CstNode): Span {
  const { startOffset, endOffset } = n.location ?? {};
  const start = startOffset !== undefined && startOffset >= 0 ? startOffset : 0;
  return b.place(start, endOffset !== undefined && endOffset >= start ? endOffset + 1 : start);
}

export function buildModel(
  b: Building,
  n: CstNode,
  isBroken: (span: Span) => boolean,
): ModelNode | undefined {
  const names = tokensOf(n, "name");
  const like = token(n, "like");
  const span = nodeSpan(b, n);
  if (!names[0]) return undefined;
  const items = nodes(n, "item")
    .map((i) => buildItem(b, i))
    .filter((i) => i !== undefined);
  return {
    name: word(b, names[0]),
    ...(like ? { like: word(b, like) } : {}),
    items,
    span,
    broken: isBroken(span),
  };
}

/** Undefined where a name is missing that cannot be taken from another plan. */
export function buildPlan(b: Building, n: CstNode, isBroken: (span: Span) => boolean): PlanNode | undefined {
  const [name, model, hardware, like] = ["name", "model", "hardware", "like"].map((label) => token(n, label));
  const span = nodeSpan(b, n);
  if (!name || (!like && !(model && hardware))) return undefined;
  const expects = nodes(n, "expect").map((e) => buildExpect(b, e));
  const items = [...settingsOf(b, n), ...expects.filter((e) => e !== undefined)];
  return {
    name: word(b, name),
    ...(model && { model: word(b, model) }),
    ...(hardware && { hardware: word(b, hardware) }),
    ...(like && { like: word(b, like) }),
    items: items.toSorted((one, other) => one.span.start - other.span.start),
    span,
    broken: isBroken(span),
  };
}

export function buildHardware(
  b: Building,
  n: CstNode,
  isBroken: (span: Span) => boolean,
): HardwareNode | undefined {
  const [name, like] = [token(n, "name"), token(n, "like")];
  const span = nodeSpan(b, n);
  return (
    name && {
      name: word(b, name),
      ...(like && { like: word(b, like) }),
      items: settingsOf(b, n),
      span,
      broken: isBroken(span),
    }
  );
}

function buildItem(b: Building, item: CstNode): Item | undefined {
  for (const [rule, children] of Object.entries(item.children)) {
    const n = children.find(isNode);
    if (n) return builders[rule]?.(b, n);
  }
  return undefined;
}

const builders: Readonly<Record<string, (b: Building, n: CstNode) => Item | undefined>> = {
  setting: buildSetting,
  let(b, n) {
    const name = token(n, "name");
    const value = buildValue(b, node(n, "value"));
    return name && value && { kind: "let", name: word(b, name), value, span: nodeSpan(b, n) };
  },
  embed(b, n) {
    const value = buildValue(b, node(n, "value"));
    return value && { kind: "embed", value, span: nodeSpan(b, n) };
  },
  layer: (b, n) => ({
    kind: "layer",
    assignments: nodes(n, "assignment")
      .map((a) => buildAssignment(b, a))
      .filter((a) => a !== undefined),
    span: nodeSpan(b, n),
  }),
  output(b, n) {
    const value = buildValue(b, node(n, "value"));
    return value && { kind: "output", value, span: nodeSpan(b, n) };
  },
  tokenizer(b, n) {
    const name = token(n, "name");
    return name && { kind: "tokenizer", name: word(b, name), span: nodeSpan(b, n) };
  },
  section: (b, n) => ({
    kind: "section",
    section: token(n, "section")?.tokenType === t.Train ? "train" : "sample",
    settings: settingsOf(b, n),
    span: nodeSpan(b, n),
  }),
  stage: (b, n) => ({
    kind: "stage",
    stage: (token(n, "stage")?.image ?? "sft") as StageName,
    settings: settingsOf(b, n),
    ...loraOf(b, n),
    span: nodeSpan(b, n),
  }),
  head(b, n) {
    const name = token(n, "name");
    const call = node(n, "call");
    const value = call && buildCall(b, call);
    return name && value && { kind: "head", name: word(b, name), value, span: nodeSpan(b, n) };
  },
  objective(b, n) {
    const name = token(n, "name");
    const value = buildValue(b, node(n, "value"));
    return name && value && { kind: "objective", name: word(b, name), value, span: nodeSpan(b, n) };
  },
  expect: buildExpect,
};

function buildExpect(b: Building, n: CstNode): Expect | undefined {
  const fact = token(n, "fact");
  const value = buildValue(b, node(n, "value"));
  const within = token(n, "tolerance");
  const tolerance = within && buildNumber(b, within);
  if (!fact || !value) return undefined;
  return {
    kind: "expect",
    fact: word(b, fact),
    value,
    ...(tolerance?.kind === "number" ? { tolerance } : {}),
    span: nodeSpan(b, n),
  };
}

const settingsOf = (b: Building, n: CstNode): Setting[] =>
  nodes(n, "setting")
    .map((s) => buildSetting(b, s))
    .filter((s) => s !== undefined);

/** The `lora` block of a stage; of several, all but the first are reported. */
function loraOf(b: Building, n: CstNode): { readonly lora?: LoraNode } {
  const [first, ...more] = nodes(n, "lora").map((lora): LoraNode => ({
    kind: "lora",
    settings: settingsOf(b, lora),
    span: nodeSpan(b, lora),
  }));
  for (const { span } of more)
    b.report("E0206", span, { what: "lora" }, [{ text: "the first is here", span: first!.span }]);
  return first ? { lora: first } : {};
}

function buildSetting(b: Building, n: CstNode): Setting | undefined {
  const tok = token(n, "key");
  const valueNode = node(n, "value");
  if (!tok) return undefined;
  const key = word(b, tok);
  const value = withMore(
    buildValue(b, valueNode),
    tokensOf(n, "more").map((name) => word(b, name)),
  );
  if (!valueNode && !n.recoveredNode) b.report("E0109", key.span, { key: key.text });
  const pattern = tokensOf(n, "kind").map((kind) => word(b, kind));
  const end = pattern.at(-1)?.span ?? value?.span ?? key.span;
  return {
    kind: "setting",
    key,
    value,
    ...(pattern.length > 0 ? { pattern } : {}),
    span: covering(key.span, end),
  };
}

/** A word and those behind the commas. */
function withMore(first: Value | undefined, more: readonly Word[]): Value | undefined {
  if (first?.kind !== "word" || more.length === 0) return first;
  return { kind: "words", words: [first, ...more], span: covering(first.span, more.at(-1)!.span) };
}

function buildAssignment(b: Building, n: CstNode): AssignmentNode | undefined {
  const target = token(n, "target");
  const value = buildValue(b, node(n, "value"));
  return (
    target &&
    value && {
      target: word(b, target),
      sign: token(n, "sign")?.image === "+=" ? "+=" : "=",
      value,
      span: nodeSpan(b, n),
    }
  );
}

type Reader = (b: Building, n: CstNode | undefined) => Value | undefined;

/** "a - b + c" and "a * b / c": operands and the signs between them, in the order of the text. */
function chain(b: Building, n: CstNode, read: Reader): { signs: string[]; values: Value[] } | undefined {
  const operands = nodes(n, "operand");
  const signs = tokensOf(n, "sign").map((s) => s.image);
  if (operands.length > MAX_TERMS) {
    b.report("E0111", nodeSpan(b, n), {
      what: "terms in one expression",
      count: operands.length,
      limit: MAX_TERMS,
    });
    return undefined;
  }
  const values = operands.map((o) => read(b, o));
  return values.length > 0 && values.every((v) => v !== undefined) ? { signs, values } : undefined;
}

export function buildValue(b: Building, n: CstNode | undefined): Value | undefined {
  const parts = n && chain(b, n, buildProduct);
  if (!n || !parts) return undefined;
  if (parts.values.length === 1) return parts.values[0];
  const terms: Term[] = parts.values.map((value, i) => ({
    sign: i > 0 && parts.signs[i - 1] === "-" ? "-" : "+",
    value,
  }));
  return { kind: "sum", terms, span: nodeSpan(b, n) };
}

function buildProduct(b: Building, n: CstNode | undefined): Value | undefined {
  const parts = n && chain(b, n, buildFactor);
  if (!n || !parts) return undefined;
  if (parts.values.length === 1) return parts.values[0];
  const factors: Factor[] = parts.values.map((value, i) => ({
    sign: (parts.signs[i - 1] as Factor["sign"] | undefined) ?? "*",
    value,
  }));
  return { kind: "product", factors, span: nodeSpan(b, n) };
}

function buildFactor(b: Building, n: CstNode | undefined): Value | undefined {
  const value = n && buildPrimary(b, n);
  if (!n || !value) return undefined;
  return tokensOf(n, "Minus").length % 2 === 1 ? { kind: "negative", value, span: nodeSpan(b, n) } : value;
}

function buildPrimary(b: Building, n: CstNode): Value | undefined {
  const number = token(n, "number");
  const flag = token(n, "flag");
  const member = node(n, "member");
  const call = node(n, "call");
  const group = node(n, "group");
  if (number) return buildNumber(b, number);
  if (flag) return { kind: "flag", value: flag.image === "true", span: tokenSpan(b, flag) };
  if (member) return buildMember(b, member);
  if (call) return buildCall(b, call);
  return group && buildValue(b, node(group, "value"));
}

/** "chosen.ratio" is one word. */
function buildMember(b: Building, n: CstNode): Word | undefined {
  const [name, field] = [token(n, "word"), token(n, "field")];
  if (!name) return undefined;
  const { text, span } = word(b, name);
  return field
    ? { kind: "word", text: `${text}.${field.image}`, span: covering(span, tokenSpan(b, field)) }
    : { kind: "word", text, span };
}

function buildNumber(b: Building, tok: IToken): Value | undefined {
  const value = Number(tok.image.replaceAll("_", ""));
  const span = tokenSpan(b, tok);
  const why =
    tok.tokenType === t.BadNumber
      ? whyBad(tok.image)
      : !Number.isFinite(value)
        ? "it is larger than 1e308"
        : /^[\d_]+$/.test(tok.image) && !Number.isSafeInteger(value)
          ? "whole numbers end at 9_007_199_254_740_991"
          : undefined;
  if (why === undefined) return { kind: "number", value, span };
  b.report("E0106", span, { text: tok.image, why });
  return undefined;
}

function whyBad(text: string): string {
  if (/^\d[\d_]*[kKmMbBgGtT]$/.test(text)) return "write the zeros out";
  if (/^\d[\d_.]*[kKmMgGtTpP]i?[bB]$/.test(text)) return "sizes are written in bytes, without a unit: 80e9";
  if (/^\d[\d_.]*(?:k|M|G|T|P)?(?:W|FLOPS?|FLOPs|Hz)$/.test(text)) return "numbers are written without units";
  if (/^0[xXbBoO]/.test(text)) return "numbers are decimal";
  if (/_/.test(text) && /^[\d_.]+$/.test(text)) return "a `_` stands between two digits";
  if (text.endsWith(".")) return "a digit must follow the point";
  return "names begin with a letter, and numbers hold digits only";
}

function buildCall(b: Building, n: CstNode): Value | undefined {
  const callee = token(n, "callee");
  if (!callee) return undefined;
  const args = nodes(n, "argument").map((a): Argument | undefined => {
    const name = token(a, "name");
    const value = buildValue(b, node(a, "value"));
    return value && { ...(name ? { name: word(b, name) } : {}), value, span: nodeSpan(b, a) };
  });
  // an argument that could not be read would only cause complaints about a missing one
  return args.every((a) => a !== undefined)
    ? { kind: "call", callee: word(b, callee), args, span: nodeSpan(b, n) }
    : undefined;
}
