/**
 * What each word and value of a tree is there for, by where it stands: the part of the language that explains
 * it. Whether a word is right is the checker's business; here an unknown one has the role of its place.
 */
import type {
  Argument,
  AssignmentNode,
  FileNode,
  HardwareNode,
  Item,
  ModelNode,
  PlanNode,
  Setting,
  Value,
  Word,
} from "../1-parse/ast.ts";
import type { Field, Option } from "../2-check/fields.ts";
import { hardwareFields } from "../2-check/hardware-fields.ts";
import { planFields } from "../2-check/plan-fields.ts";
import { isPart, parts } from "../2-check/parts.ts";
import { sectionFields, sizeFields } from "../2-check/settings.ts";
import { blockFields, loraOf, type BlockName } from "../2-check/stages.ts";
import type { Span } from "../diagnostics/span.ts";

/** Where settings stand: in the model itself, a section of it, a stage's block, a plan, or a device. */
export type Block = "model" | "train" | "sample" | "plan" | "hardware" | BlockName;

export const fieldsIn = (block: Block): Readonly<Record<string, Field>> =>
  block === "model"
    ? sizeFields
    : block === "plan"
      ? planFields
      : block === "hardware"
        ? hardwareFields
        : block === "train" || block === "sample"
          ? sectionFields[block]
          : blockFields[block];

export type Role =
  | { readonly kind: "model" }
  | { readonly kind: "setting"; readonly block: Block; readonly setting: Setting }
  /** The name of a number in arithmetic. */
  | { readonly kind: "number"; readonly block: Block }
  /** One of the words that a setting or an option takes. */
  | { readonly kind: "word"; readonly field: Field | undefined; readonly key: string; readonly block?: Block }
  | { readonly kind: "let" | "objective" | "head" | "tokenizer" | "layer kind" | "fact" }
  | { readonly kind: "plan" | "hardware" | "plan fact" }
  | { readonly kind: "part"; readonly call: Call }
  | { readonly kind: "group"; readonly option: Option; readonly key: string }
  | {
      readonly kind: "option";
      readonly part: string;
      readonly option: Option | undefined;
      readonly value: Value;
    }
  | { readonly kind: "value"; readonly section: "embed" | "layer" | "output" }
  /** In an objective's equation: a number of tokens or answers or a setting, or a function. */
  | { readonly kind: "objective name" | "function" };

export type RoleOf<K extends Role["kind"]> = Extract<Role, { kind: K }>;

export type Call = Extract<Value, { kind: "call" }>;

export interface PlacedWord {
  readonly word: Word;
  readonly role: Role;
}

export interface Roles {
  /** By where they begin; "chosen.ratio" is one word, and stands here by where either name begins. */
  readonly words: ReadonlyMap<number, PlacedWord>;
  /** Arithmetic as a whole: what stands behind a setting, a let, an option or a fact. */
  readonly arithmetic: readonly Value[];
}

export function rolesOf(file: FileNode): Roles {
  const walk = new Walk();
  for (const model of file.models) walk.model(model);
  for (const plan of file.plans) walk.plan(plan);
  for (const device of file.hardware) walk.hardware(device);
  return walk;
}

class Walk implements Roles {
  readonly words = new Map<number, PlacedWord>();
  readonly arithmetic: Value[] = [];

  model({ name, like, items }: ModelNode): void {
    this.word(name, { kind: "model" });
    if (like) this.word(like, { kind: "model" });
    for (const item of items) this.item(item);
  }

  plan({ name, model, hardware, like, items }: PlanNode): void {
    this.word(name, { kind: "plan" });
    if (like) this.word(like, { kind: "plan" });
    if (model) this.word(model, { kind: "model" });
    if (hardware) this.word(hardware, { kind: "hardware" });
    for (const item of items) {
      if (item.kind === "setting") this.setting(item, "plan");
      else {
        this.word(item.fact, { kind: "plan fact" });
        this.numbers(item.value, "plan");
      }
    }
  }

  hardware({ name, like, items }: HardwareNode): void {
    this.word(name, { kind: "hardware" });
    if (like) this.word(like, { kind: "hardware" });
    for (const item of items) this.setting(item, "hardware");
  }

  private item(item: Item): void {
    switch (item.kind) {
      case "setting":
        return this.setting(item, "model");
      case "let":
        this.word(item.name, { kind: "let" });
        return this.numbers(item.value, "model");
      case "embed":
      case "output":
        return this.value(item.value, item.kind);
      case "layer":
        return item.assignments.forEach((assignment) => this.assignment(assignment));
      case "tokenizer":
        return this.word(item.name, { kind: "tokenizer" });
      case "section":
        return item.settings.forEach((setting) => this.setting(setting, item.section));
      case "stage":
        item.settings.forEach((setting) => this.setting(setting, item.stage));
        return item.lora?.settings.forEach((setting) => this.setting(setting, loraOf(item.stage)));
      case "head":
        this.word(item.name, { kind: "head" });
        return this.value(item.value, "output");
      case "objective":
        this.word(item.name, { kind: "objective" });
        return this.equation(item.value);
      case "expect":
        this.word(item.fact, { kind: "fact" });
        return this.numbers(item.value, "model");
    }
  }

  private setting(setting: Setting, block: Block): void {
    const { key, value, pattern = [] } = setting;
    this.word(key, { kind: "setting", block, setting });
    for (const kind of pattern) this.word(kind, { kind: "layer kind" });
    const fields = fieldsIn(block);
    if (value)
      this.given(value, Object.hasOwn(fields, key.text) ? fields[key.text] : undefined, key.text, block);
  }

  /** What a field is given: words, or arithmetic. */
  private given(value: Value, field: Field | undefined, key: string, block: Block): void {
    if (field?.kind === "word" || field?.kind === "words")
      for (const word of value.kind === "words" ? value.words : value.kind === "word" ? [value] : [])
        this.word(word, { kind: "word", field, key, block });
    else this.numbers(value, block);
  }

  private numbers(value: Value, block: Block): void {
    this.arithmetic.push(value);
    for (const word of wordsIn(value)) this.word(word, { kind: "number", block });
  }

  private assignment({ target, value }: AssignmentNode): void {
    this.word(target, { kind: "value", section: "layer" });
    this.value(value, "layer");
  }

  private value(value: Value, section: "embed" | "layer" | "output"): void {
    for (const inner of within(value)) this.value(inner, section);
    if (value.kind === "word") this.word(value, { kind: "value", section });
    if (value.kind !== "call") return;
    const { callee, args } = value;
    this.word(callee, { kind: "part", call: value });
    for (const argument of args)
      if (argument.name)
        this.option(argument, callee.text, isPart(callee.text) ? parts[callee.text].options : {});
      else this.value(argument.value, section);
  }

  private option({ name, value }: Argument, part: string, options: Readonly<Record<string, Option>>): void {
    const option = Object.hasOwn(options, name!.text) ? options[name!.text] : undefined;
    this.word(name!, { kind: "option", part, option, value });
    if (option?.kind === "group" && value.kind === "call") {
      this.word(value.callee, { kind: "group", option, key: name!.text });
      for (const inner of value.args) if (inner.name) this.option(inner, option.callee, option.fields);
    } else if (option?.kind !== "group") this.given(value, option, name!.text, "model");
  }

  private equation(value: Value): void {
    for (const inner of within(value)) this.equation(inner);
    if (value.kind === "word") this.word(value, { kind: "objective name" });
    if (value.kind !== "call") return;
    this.word(value.callee, { kind: "function" });
    for (const argument of value.args) this.equation(argument.value);
  }

  private word(word: Word, role: Role): void {
    this.words.set(word.span.start, { word, role });
    const dot = word.text.indexOf(".");
    if (dot >= 0) this.words.set(word.span.end - (word.text.length - dot - 1), { word, role });
  }
}

/** Values that one is made of, but for a call's arguments. */
export function within(value: Value): readonly Value[] {
  switch (value.kind) {
    case "sum":
      return value.terms.map((term) => term.value);
    case "product":
      return value.factors.map((factor) => factor.value);
    case "negative":
      return [value.value];
    default:
      return [];
  }
}

export const wordsIn = (value: Value): readonly Word[] =>
  value.kind === "word" ? [value] : within(value).flatMap(wordsIn);

export const contains = ({ start, end }: Span, at: number): boolean => start <= at && at <= end;
