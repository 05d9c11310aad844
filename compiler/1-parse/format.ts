/**
 * `sinter fmt`: one canonical layout. Works on the tokens, so that nothing but white space can change; it
 * keeps comments, line breaks between settings, and single blank lines.
 *
 *   model small {                              a block that stood on one line and fits stays on one line
 *     vocab 256   context 64                   settings of one line: three spaces between them
 *     layer {                                  everything else: a line of its own
 *       x += mlp(layernorm(x), bias: true)
 *     }
 *   }
 */
import type { IToken, TokenType } from "chevrotain";
import type { Diagnostic } from "../diagnostics/report.ts";
import type { Item, LoraNode } from "./ast.ts";
import { parse } from "./parse.ts";
import * as t from "./tokens.ts";

export const MAX_COLUMNS = 110;

export interface Formatted {
  /** undefined where the text has syntax errors. */
  readonly text: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export function format(source: string): Formatted {
  const { file, diagnostics } = parse(source);
  if (diagnostics.some((d) => d.severity === "error")) return { text: undefined, diagnostics };
  const stream = readStream(source);
  const starts = new Map<number, Start>();
  const keys = new Set<number>();
  for (const block of [...file.models, ...file.plans, ...file.hardware]) {
    starts.set(block.span.start, "outermost");
    for (const item of block.items) markItem(item, starts, keys);
  }
  const text = layOut({ stream, starts, keys, blocks: blocksAround(stream), oneLine: new Set() });
  const before = images(stream);
  const after = images(readStream(text));
  if (before !== after) throw new Error("the formatter changed more than white space");
  return { text, diagnostics };
}

/** What begins at a token: it decides how the token is set off from the one before. */
type Start = "outermost" | "setting" | "statement" | "assignment";

interface Layout {
  /** Tokens and comments in the order of the text. */
  readonly stream: readonly IToken[];
  readonly starts: ReadonlyMap<number, Start>;
  /** Offsets of names that a value follows without a sign: a "-" behind them is a sign of its own. */
  readonly keys: ReadonlySet<number>;
  /** For each token, the index of the "{" around it, or −1. */
  readonly blocks: readonly number[];
  /** Offsets of "{" whose block is written on one line. */
  readonly oneLine: Set<number>;
}

function readStream(source: string): IToken[] {
  const { tokens, groups } = t.lexer.tokenize(source);
  return [...tokens, ...(groups["comments"] ?? [])].sort((a, b) => a.startOffset - b.startOffset);
}

const images = (stream: readonly IToken[]): string => stream.map((token) => token.image.trimEnd()).join("\n");
const isComment = (token: IToken): boolean => token.image.startsWith("//");

function markItem(item: Item | LoraNode, starts: Map<number, Start>, keys: Set<number>): void {
  starts.set(item.span.start, item.kind === "setting" ? "setting" : "statement");
  if (item.kind === "setting") keys.add(item.key.span.start);
  if (item.kind === "expect") keys.add(item.fact.span.start);
  if (item.kind === "layer") for (const a of item.assignments) starts.set(a.span.start, "assignment");
  if (item.kind === "section" || item.kind === "stage" || item.kind === "lora")
    for (const s of item.settings) markItem(s, starts, keys);
  if (item.kind === "stage" && item.lora) markItem(item.lora, starts, keys);
}

// ---- which blocks stay on one line

/** The index of the bracket that closes the one at `open`. */
function closing(stream: readonly IToken[], open: number): number {
  let depth = 0;
  for (let i = open; i < stream.length; i++) {
    if (stream[i]!.image === "{") depth++;
    else if (stream[i]!.image === "}" && --depth === 0) return i;
  }
  return stream.length - 1;
}

function chooseOneLine(layout: Layout, open: number, from: number, indent: number): void {
  const { stream, starts, oneLine } = layout;
  const close = closing(stream, open);
  const inside = stream.slice(open + 1, close);
  if (stream[open]!.startLine !== stream[close]!.startLine || inside.some(isComment)) return;
  if (
    stream[from]!.tokenType === t.Layer &&
    inside.filter((token) => starts.get(token.startOffset) === "assignment").length > 1
  )
    return;
  const inner = inside.flatMap((token, i) => (token.image === "{" ? [open + 1 + i] : []));
  for (const brace of inner) if (!oneLine.has(stream[brace]!.startOffset)) return;
  oneLine.add(stream[open]!.startOffset);
  let width = indent;
  for (let i = from; i <= close; i++)
    width += (i === from ? 0 : between(layout, i).text.length) + stream[i]!.image.length;
  if (width > MAX_COLUMNS) oneLine.delete(stream[open]!.startOffset);
}

/** Inner blocks first: a block with a block of several lines in it has several lines. */
function chooseOneLines(layout: Layout): void {
  const { stream, starts } = layout;
  const open: { at: number; from: number; depth: number }[] = [];
  const found: { at: number; from: number; depth: number }[] = [];
  let from = 0;
  stream.forEach((token, i) => {
    const start = starts.get(token.startOffset);
    if (start === "outermost" || start === "statement") from = i;
    if (token.image === "{") open.push({ at: i, from, depth: open.length });
    else if (token.image === "}") found.push(open.pop()!);
  });
  for (const { at, from: first, depth } of found) chooseOneLine(layout, at, first, depth * 2);
}

// ---- white space

type Gap = { readonly text: string; readonly lines: 0 | 1 | 2 };
const gap = (text: string): Gap => ({ text, lines: 0 });
const line: Gap = { text: "\n", lines: 1 };
const blank: Gap = { text: "\n\n", lines: 2 };

/** The white space before token `i`; a line break's indentation is added by `layOut`. */
function between({ stream, starts, keys, blocks, oneLine }: Layout, i: number): Gap {
  const token = stream[i]!;
  const before = stream[i - 1]!;
  const breaks = token.startLine! - before.endLine!;
  const kept = breaks > 1 && before.image !== "{" && token.image !== "}" ? blank : line;
  const start = starts.get(token.startOffset);
  if (isComment(token)) return breaks === 0 ? gap("  ") : kept;
  if (start === "outermost") return kept;
  const block = stream[blocks[i]!];
  const single = block !== undefined && oneLine.has(block.startOffset);
  if (before.image === "{" || token.image === "}") {
    const isEmpty = before.image === "{" && token.image === "}" && breaks === 0;
    return single || isEmpty ? gap(" ") : isComment(before) ? line : kept;
  }
  if (isComment(before)) return kept;
  if (start !== undefined) {
    if (single) return gap("  ");
    const sameKind = start === "setting" && beginsSetting(stream, starts, i - 1);
    return sameKind && breaks === 0 ? gap("   ") : kept;
  }
  if (breaks > 0) return line; // inside an equation or a call
  return gap(tight(before, token, stream[i - 2], keys) ? "" : " ");
}

function blocksAround(stream: readonly IToken[]): number[] {
  const open: number[] = [];
  return stream.map((token, i) => {
    const around = open.at(-1) ?? -1;
    if (token.image === "{") open.push(i);
    if (token.image === "}") open.pop();
    return around;
  });
}

/** Whether the item that ends at token `i` is a setting. */
function beginsSetting(stream: readonly IToken[], starts: ReadonlyMap<number, Start>, i: number): boolean {
  for (let k = i; k >= 0; k--) {
    const start = starts.get(stream[k]!.startOffset);
    if (start) return start === "setting";
    if (stream[k]!.image === "}") return false;
  }
  return false;
}

const valueEnds: ReadonlySet<TokenType> = new Set([t.Number, t.True, t.False, t.CloseParen]);
const endsValue = (token: IToken): boolean => t.isName(token.tokenType) || valueEnds.has(token.tokenType);
const isSign = (token: IToken, before: IToken | undefined, keys: ReadonlySet<number>): boolean =>
  token.image === "-" && (before === undefined || !endsValue(before) || keys.has(before.startOffset));

/**
 * No space: in parentheses, around ".", before "," and ":", between a part and its "(", behind a sign, and
 * before the "%" of a tolerance.
 */
function tight(
  before: IToken,
  token: IToken,
  earlier: IToken | undefined,
  keys: ReadonlySet<number>,
): boolean {
  if (before.image === "(" || before.image === "." || [")", ",", ":", "."].includes(token.image)) return true;
  if (token.image === "%" && earlier?.image === "±") return true;
  if (token.image === "(")
    return (t.isName(before.tokenType) && !keys.has(before.startOffset)) || isSign(before, earlier, keys);
  return isSign(before, earlier, keys);
}

function layOut(layout: Layout): string {
  const { stream, starts } = layout;
  chooseOneLines(layout);
  let text = "";
  let column = 0;
  let depth = 0;
  let parens = 0;
  let previousTall = false;
  let blockLine = 0;
  stream.forEach((token, i) => {
    const start = starts.get(token.startOffset);
    if (token.image === "}") depth--;
    let before = i === 0 ? gap("") : between(layout, i);
    // blocks of several lines stand apart
    const afterBlock = depth === 0 && stream[i - 1]?.image === "}";
    if (afterBlock && before.lines === 1 && (previousTall || (start === "outermost" && isTall(layout, i))))
      before = blank;
    // settings on one line: as many as fit
    if (
      start === "setting" &&
      before.text === "   " &&
      column + before.text.length + itemWidth(layout, i) > MAX_COLUMNS
    )
      before = line;
    if (before.lines > 0) {
      const continues = start === undefined && token.image !== "}" && !(isComment(token) && parens === 0);
      const indent = " ".repeat(Math.max(0, depth) * 2 + (continues ? 4 : 0));
      text += before.text + indent;
      column = indent.length;
    } else {
      text += before.text;
      column += before.text.length;
    }
    const image = isComment(token) ? token.image.trimEnd() : token.image;
    text += image;
    column += image.length;
    if (start === "outermost") blockLine = countLines(text);
    if (token.image === "(") parens++;
    if (token.image === ")") parens--;
    if (token.image === "{") depth++;
    if (token.image === "}" && depth === 0) previousTall = countLines(text) > blockLine;
  });
  return `${text}\n`;
}

const countLines = (text: string): number => text.split("\n").length;

/** Whether the block that begins at token `i` has several lines. */
function isTall({ stream, oneLine }: Layout, i: number): boolean {
  let open = i;
  while (open < stream.length && stream[open]!.image !== "{") open++;
  return !oneLine.has(stream[open]?.startOffset ?? -1);
}

/** Columns of the setting that begins at token `i`. */
function itemWidth(layout: Layout, i: number): number {
  const { stream, starts } = layout;
  let width = stream[i]!.image.length;
  for (
    let k = i + 1;
    k < stream.length &&
    !starts.has(stream[k]!.startOffset) &&
    stream[k]!.image !== "}" &&
    !isComment(stream[k]!);
    k++
  )
    width += between(layout, k).text.length + stream[k]!.image.length;
  return width;
}
