/**
 * What the checker can write down as it goes, by place: what names mean, and what values come to. It resolves
 * every name once; whoever asks (the language service) listens here instead of resolving a second time.
 * Spans with `of` (of the command line) are told like any other.
 */
import type { Value, Word } from "../1-parse/ast.ts";
import type { Span } from "../diagnostics/span.ts";
import type { Part } from "../../runtime/contract/model.ts";
import type { Resolved } from "./inherit.ts";

/** What a name may be given to. Values are those of equations. */
export type SymbolKind = "model" | "plan" | "hardware" | "setting" | "let" | "value" | "objective" | "head";

export interface NameRecorder {
  /** The name is given here. A model that inherits it may tell so again. */
  define(kind: SymbolKind, name: Word): void;
  /**
   * The word stands for what is defined at `definition`. An `x` that nothing in its equations has set means
   * what comes in: its definition is the empty span where these begin.
   */
  use(word: Word, definition: Span): void;
  /** Two definitions of one name: of a value that is set again, or in a model and in one that is like it. */
  same(one: Span, other: Span): void;
}

/** Of one model, with what it inherits. */
export interface ModelRecorder extends NameRecorder {
  /** What a value of arithmetic comes to. */
  number(value: Value, is: number): void;
  /** How many columns the rows have that a value of an equation, or a name that is set, stands for. */
  columns(at: Span, columns: number): void;
  /** The part that a call makes. */
  part(call: Span, part: Part): void;
}

export interface Recorder extends NameRecorder {
  model(model: Resolved): ModelRecorder;
}

const forget = (): void => undefined;

export const unrecordedModel: ModelRecorder = {
  define: forget,
  use: forget,
  same: forget,
  number: forget,
  columns: forget,
  part: forget,
};

/** Nothing is written down. */
export const unrecorded: Recorder = { ...unrecordedModel, model: () => unrecordedModel };

/** Names alone: the sizes are not those of the model. */
export const namesOnly = (record: ModelRecorder): ModelRecorder => ({
  ...unrecordedModel,
  define: (kind, name) => record.define(kind, name),
  use: (word, definition) => record.use(word, definition),
  same: (one, other) => record.same(one, other),
});
