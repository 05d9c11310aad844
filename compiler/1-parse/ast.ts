/**
 * The syntax tree: what was written, each node with its place. Nothing is decided here about what is right.
 *
 *   file   = ( model | plan | hardware )*
 *   model  = name, like?, item*
 *   plan   = name, model's name, hardware's name, other plan's name?, ( setting | expect )*
 *   hardware = name, other device's name?, setting*
 *   item   = setting | let | embed | layer | output | tokenizer | section | stage | objective | head | expect
 *   value  = number | flag | word | words | call | sum | product | negative
 *
 * Sums and products are lists, not left-deep trees: a spec with a thousand terms is no deeper than one with
 * two. Where recovery from a syntax error left a hole, `value` is undefined or the node is missing.
 */
import type { StageName } from "../../runtime/contract/model.ts";
import type { Span } from "../diagnostics/span.ts";

/** A name; in equations of objectives also one of another's: "chosen.ratio". */
export interface Word {
  readonly kind: "word";
  readonly text: string;
  readonly span: Span;
}

export type Value =
  | { readonly kind: "number"; readonly value: number; readonly span: Span }
  | { readonly kind: "flag"; readonly value: boolean; readonly span: Span }
  | Word
  /** "attention, mlp": two words at least. */
  | { readonly kind: "words"; readonly words: readonly Word[]; readonly span: Span }
  | { readonly kind: "call"; readonly callee: Word; readonly args: readonly Argument[]; readonly span: Span }
  | { readonly kind: "sum"; readonly terms: readonly Term[]; readonly span: Span }
  | { readonly kind: "product"; readonly factors: readonly Factor[]; readonly span: Span }
  | { readonly kind: "negative"; readonly value: Value; readonly span: Span };

/** The first term's sign is "+". */
export interface Term {
  readonly sign: "+" | "-";
  readonly value: Value;
}
/** The first factor's sign is "*". */
export interface Factor {
  readonly sign: "*" | "/" | "%";
  readonly value: Value;
}
/** `name` is missing for the argument that is the part's input. */
export interface Argument {
  readonly name?: Word;
  readonly value: Value;
  readonly span: Span;
}

export interface Setting {
  readonly kind: "setting";
  readonly key: Word;
  readonly value: Value | undefined;
  /** The words behind `alternate`: kinds of layers, over and over. */
  readonly pattern?: readonly Word[];
  readonly span: Span;
}

export interface AssignmentNode {
  readonly target: Word;
  readonly sign: "=" | "+=";
  readonly value: Value;
  readonly span: Span;
}

/** `lora { … }` inside of a stage. */
export interface LoraNode {
  readonly kind: "lora";
  readonly settings: readonly Setting[];
  readonly span: Span;
}

export type Item =
  | Setting
  | { readonly kind: "let"; readonly name: Word; readonly value: Value; readonly span: Span }
  | { readonly kind: "embed"; readonly value: Value; readonly span: Span }
  | { readonly kind: "layer"; readonly assignments: readonly AssignmentNode[]; readonly span: Span }
  | { readonly kind: "output"; readonly value: Value; readonly span: Span }
  | { readonly kind: "tokenizer"; readonly name: Word; readonly span: Span }
  | {
      readonly kind: "section";
      readonly section: "train" | "sample";
      readonly settings: readonly Setting[];
      readonly span: Span;
    }
  | {
      readonly kind: "stage";
      readonly stage: StageName;
      readonly settings: readonly Setting[];
      readonly lora?: LoraNode;
      readonly span: Span;
    }
  | { readonly kind: "head"; readonly name: Word; readonly value: Value; readonly span: Span }
  | { readonly kind: "objective"; readonly name: Word; readonly value: Value; readonly span: Span }
  | Expect;

export interface Expect {
  readonly kind: "expect";
  readonly fact: Word;
  readonly value: Value;
  /** Behind "±", in percent. */
  readonly tolerance?: { readonly value: number; readonly span: Span };
  readonly span: Span;
}

export interface ModelNode {
  readonly name: Word;
  readonly like?: Word;
  readonly items: readonly Item[];
  readonly span: Span;
  /** A syntax error lies inside: what is missing here may only have been skipped. */
  readonly broken: boolean;
}

/** `plan NAME of MODEL on HARDWARE { … }`, or `plan NAME like PLAN { … }`, which may name others of both. */
export interface PlanNode {
  readonly name: Word;
  readonly model?: Word;
  readonly hardware?: Word;
  readonly like?: Word;
  readonly items: readonly (Setting | Expect)[];
  readonly span: Span;
  readonly broken: boolean;
}

/** `hardware NAME { … }`, `hardware NAME like DEVICE { … }`. */
export interface HardwareNode {
  readonly name: Word;
  readonly like?: Word;
  readonly items: readonly Setting[];
  readonly span: Span;
  readonly broken: boolean;
}

export interface FileNode {
  readonly models: readonly ModelNode[];
  readonly plans: readonly PlanNode[];
  readonly hardware: readonly HardwareNode[];
}
