/**
 * What is being written at a place, from the tokens before it: no tree is needed, so half a text will do.
 * A small machine reads the tokens of all open blocks and calls, and says what it waits for.
 */
import type { IToken, TokenType } from "chevrotain";
import * as t from "../1-parse/tokens.ts";
import type { Section } from "../2-check/parts.ts";
import { loraOf, type Stage } from "../2-check/stages.ts";
import type { Block } from "./roles.ts";

/** What a value is for. */
export type Slot =
  | { readonly kind: "setting"; readonly block: Block; readonly key: string; readonly line: number }
  | { readonly kind: "let" | "expect" | "objective" }
  | { readonly kind: "equation"; readonly section: Section }
  | { readonly kind: "option"; readonly owner: Owner; readonly key: string; readonly section: Section };

/** A call whose options are written: a part, or a group in an option of one. */
export interface Owner {
  readonly callee: string;
  /** Of a group: the part and its option. */
  readonly of?: { readonly part: string; readonly option: string };
}

export type Waiting =
  /** Something new may begin: an item, an equation, a model. */
  | { readonly for: "item" }
  | { readonly for: "own name" | "sign" | "tokenizer" | "fact" | "like" | "layer kind" | "after kind" }
  /** Of `plan NAME of MODEL on DEVICE`. */
  | { readonly for: "of" | "like plan" | "planned model" | "on" | "device" | "plan body" }
  /** Of `hardware NAME like DEVICE`. */
  | { readonly for: "like device" }
  /** Behind "±". */
  | { readonly for: "tolerance" }
  | { readonly for: "model body"; readonly hasLike: boolean }
  | { readonly for: "operand"; readonly slot: Slot }
  /** Behind a whole value: an operator may follow, or what may follow the value. */
  | { readonly for: "operator"; readonly slot: Slot }
  | { readonly for: "member" }
  /** An input, or the name of an option. */
  | { readonly for: "argument"; readonly slot: Slot };

interface Frame {
  readonly kind: "file" | "layer" | "call" | "group" | Block;
  /** What was given so far: settings, options, values that are set. */
  readonly given: string[];
  readonly owner?: Owner;
  /** The slot that a call or a group fills. */
  readonly slot?: Slot;
  waiting: Waiting;
}

export interface WritingContext {
  readonly waiting: Waiting;
  readonly block: Frame["kind"];
  /** What this block or call has already. */
  readonly given: readonly string[];
  readonly owner: Owner | undefined;
  /** The model around, as far as it is written. */
  readonly model: string | undefined;
  readonly like: string | undefined;
  /** The plan around, or the device. */
  readonly plan: string | undefined;
  readonly device: string | undefined;
  /** Values that the layer's equations have set above. */
  readonly values: readonly string[];
  readonly lets: readonly string[];
}

/** What is awaited behind these tokens; `line` is that of the place. */
export function contextAfter(tokens: readonly IToken[], line: number): WritingContext {
  const reader = new Reader();
  for (const [i, token] of tokens.entries()) reader.take(token, tokens[i + 1]?.tokenType);
  return reader.context(line);
}

/** What a call has been given, where it is not an option. */
export const INPUT = "";

const item: Waiting = { for: "item" };
const operators: ReadonlySet<TokenType> = new Set([t.Plus, t.Minus, t.Times, t.Divide, t.Remainder]);
const operands: ReadonlySet<TokenType> = new Set([t.Number, t.BadNumber, t.True, t.False]);

class Reader {
  private readonly frames: Frame[] = [{ kind: "file", given: [], waiting: item }];
  private announced: Block | "layer" | undefined;
  private model: string | undefined;
  private like: string | undefined;
  /** The plan that is being written, and models of plans. */
  private plan: string | undefined;
  private device: string | undefined;
  private readonly planned = new Map<string, string>();
  private lets: string[] = [];
  private before: IToken | undefined;

  private get frame(): Frame {
    return this.frames.at(-1)!;
  }

  context(line: number): WritingContext {
    const { kind, given, owner } = this.frame;
    const { model, like, plan, device, lets } = this;
    const values = this.frames.find((frame) => frame.kind === "layer")?.given ?? [];
    const waiting = this.waitingAt(line);
    return { waiting, block: kind, given, owner, model, like, plan, device, values, lets };
  }

  /** A setting's value begins on the line of its name. */
  private waitingAt(line: number): Waiting {
    const { waiting } = this.frame;
    const isLate = waiting.for === "operand" && waiting.slot.kind === "setting" && waiting.slot.line !== line;
    return isLate ? item : waiting;
  }

  take(token: IToken, next: TokenType | undefined): void {
    const type = token.tokenType;
    this.frame.waiting = this.waitingAt(token.startLine!);
    if (type === t.OpenBrace) this.openBlock();
    else if (type === t.CloseBrace) this.closeBlock();
    else if (type === t.OpenParen) this.openParen();
    else if (type === t.CloseParen) this.closeParen();
    else if (type === t.ModelName) this.modelName(token.image);
    else if (t.isName(type)) this.name(token, next);
    else if (operands.has(type)) this.operand(next);
    else this.sign(token);
    this.before = token;
  }

  private openBlock(): void {
    const { announced } = this;
    this.announced = undefined;
    this.frames.push({ kind: announced ?? "model", given: [], waiting: item });
  }

  private closeBlock(): void {
    while (this.frame.kind === "call" || this.frame.kind === "group") this.frames.pop();
    if (this.frames.length > 1) this.frames.pop();
    this.frame.waiting = item;
  }

  private openParen(): void {
    const { waiting } = this.frame;
    const slot = "slot" in waiting ? waiting.slot : undefined;
    const { before } = this;
    if (before && t.isName(before.tokenType) && slot) {
      const of =
        slot.kind === "option" && slot.owner.of === undefined
          ? { of: { part: slot.owner.callee, option: slot.key } }
          : {};
      const owner = { callee: before.image, ...of };
      this.frames.push({ kind: "call", given: [], owner, slot, waiting: { for: "argument", slot } });
    } else if (slot) this.frames.push({ kind: "group", given: [], slot, waiting: { for: "operand", slot } });
  }

  private closeParen(): void {
    const { kind, slot } = this.frame;
    if (kind !== "call" && kind !== "group") return;
    this.frames.pop();
    if (slot) this.frame.waiting = { for: "operator", slot };
  }

  private modelName(name: string): void {
    const { waiting } = this.frame;
    if (this.announced === "plan") {
      const next = {
        "own name": "of",
        "like plan": "plan body",
        "planned model": "on",
        device: "plan body",
      } as const;
      const of = waiting.for as keyof typeof next;
      if (of === "own name") [this.plan, this.model] = [name, undefined];
      if (of === "planned model") this.model = name;
      if (of === "like plan") this.model = this.planned.get(name);
      if (this.model !== undefined) this.planned.set(this.plan ?? "", this.model);
      this.frame.waiting = { for: next[of] ?? "plan body" };
      return;
    }
    if (this.announced === "hardware") {
      const isOwn = waiting.for === "own name";
      if (isOwn) [this.device, this.model] = [name, undefined];
      this.frame.waiting = { for: "model body", hasLike: !isOwn };
      return;
    }
    if (waiting.for === "like") {
      this.like = name;
      this.frame.waiting = { for: "model body", hasLike: true };
      return;
    }
    this.model = name;
    this.like = undefined;
    this.lets = [];
    this.frame.waiting = { for: "model body", hasLike: false };
  }

  private operand(next: TokenType | undefined): void {
    const { waiting, given } = this.frame;
    if (waiting.for === "argument" && next !== t.Colon) given.push(INPUT);
    if ("slot" in waiting) this.frame.waiting = { for: "operator", slot: waiting.slot };
  }

  private name(token: IToken, next: TokenType | undefined): void {
    const { waiting } = this.frame;
    switch (waiting.for) {
      case "operand":
      case "argument":
        return this.operand(next);
      case "member":
        this.frame.waiting = { for: "operator", slot: { kind: "objective" } };
        return;
      case "own name":
        return this.ownName(token);
      case "fact":
        this.frame.given.push(`expect ${token.image}`);
        this.frame.waiting = { for: "operand", slot: { kind: "expect" } };
        return;
      case "tokenizer":
        this.frame.waiting = item;
        return;
      case "layer kind":
        this.frame.waiting = { for: "after kind" };
        return;
      default:
        return this.beginItem(token, next);
    }
  }

  private ownName({ image }: IToken): void {
    const defines = this.before?.tokenType;
    if (defines === t.Let) this.lets.push(image);
    this.frame.waiting =
      defines === t.Head
        ? { for: "operand", slot: { kind: "equation", section: "output" } }
        : { for: "sign" };
  }

  private beginItem(token: IToken, next: TokenType | undefined): void {
    const { kind, given } = this.frame;
    const { image, tokenType: type } = token;
    if (kind === "file" || kind === "call" || kind === "group") return;
    if (kind === "layer") {
      given.push(image);
      this.frame.waiting = { for: "sign" };
    } else if (next === t.OpenBrace && (t.stageWords.includes(type) || type === t.Lora)) {
      given.push(image);
      this.announced = type === t.Lora ? loraOf(kind as Stage) : (image as Stage);
    } else if (kind === "model" && (type === t.Objective || type === t.Head))
      this.frame.waiting = { for: "own name" };
    else {
      given.push(image);
      const slot: Slot = { kind: "setting", block: kind, key: image, line: token.startLine! };
      this.frame.waiting = { for: "operand", slot };
    }
  }

  private sign(token: IToken): void {
    const { tokenType: type, image } = token;
    const { waiting, kind } = this.frame;
    if (type === t.PlusMinus) this.frame.waiting = { for: "tolerance" };
    else if (waiting.for === "tolerance") this.frame.waiting = item;
    else if (operators.has(type)) {
      if (waiting.for === "operator") this.frame.waiting = { for: "operand", slot: waiting.slot };
    } else if (type === t.Equals || type === t.PlusEquals) this.equals();
    else if (type === t.Comma) this.comma();
    else if (type === t.Colon) this.colon();
    else if (type === t.Dot) this.frame.waiting = { for: "member" };
    else if (kind === "file") this.fileWord(type);
    else this.keyword(type, image);
  }

  private fileWord(type: TokenType): void {
    const next = new Map<TokenType, Waiting>([
      [t.Model, { for: "own name" }],
      [t.Plan, { for: "own name" }],
      [t.Hardware, { for: "own name" }],
      [t.Like, { for: this.likeWhat() }],
      [t.Of, { for: "planned model" }],
      [t.On, { for: "device" }],
    ]);
    this.frame.waiting = next.get(type) ?? item;
    if (type === t.Model) this.announced = "model";
    if (type === t.Plan) this.announced = "plan";
    if (type === t.Hardware) this.announced = "hardware";
  }

  private likeWhat(): "like" | "like plan" | "like device" {
    if (this.announced === "plan") return "like plan";
    return this.announced === "hardware" ? "like device" : "like";
  }

  private keyword(type: TokenType, image: string): void {
    const { frame } = this;
    if (type === t.Model || type === t.Plan || type === t.Hardware) {
      this.frames.splice(1); // what is open was never closed
      return this.fileWord(type);
    }
    if (type === t.Alternate) frame.waiting = { for: "layer kind" };
    if (frame.kind === "plan" && type === t.Expect) frame.waiting = { for: "fact" };
    if (frame.kind !== "model") return;
    frame.given.push(image);
    if (type === t.Let) frame.waiting = { for: "own name" };
    if (type === t.Tokenizer) frame.waiting = { for: "tokenizer" };
    if (type === t.Expect) frame.waiting = { for: "fact" };
    if (type === t.Embed) frame.waiting = { for: "operand", slot: { kind: "equation", section: "embed" } };
    if (type === t.Output) frame.waiting = { for: "operand", slot: { kind: "equation", section: "output" } };
    if (type === t.Layer) this.announced = "layer";
    if (type === t.Train) this.announced = "train";
    if (type === t.Sample) this.announced = "sample";
  }

  private equals(): void {
    const { frame } = this;
    if (frame.waiting.for !== "sign") return;
    const isLet = this.before !== undefined && this.lets.at(-1) === this.before.image;
    const slot: Slot =
      frame.kind === "layer" ? { kind: "equation", section: "layer" } : { kind: isLet ? "let" : "objective" };
    frame.waiting = { for: "operand", slot };
  }

  private comma(): void {
    const { frame } = this;
    const { waiting, kind, slot } = frame;
    if (kind === "call" && slot) frame.waiting = { for: "argument", slot };
    else if (waiting.for === "after kind") frame.waiting = { for: "layer kind" };
    else if (waiting.for === "operator" && waiting.slot.kind === "setting" && waiting.slot.key === "on")
      frame.waiting = { for: "operand", slot: waiting.slot };
  }

  /** "name:" in a call. */
  private colon(): void {
    const { frame } = this;
    const { owner, slot } = frame;
    if (!owner || !slot || !this.before) return;
    const key = this.before.image;
    frame.given.push(key);
    const section = slot.kind === "equation" || slot.kind === "option" ? slot.section : "layer";
    frame.waiting = { for: "operand", slot: { kind: "option", owner, key, section } };
  }
}
