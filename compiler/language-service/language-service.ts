/**
 * What an editor asks of a spec that is being written: what is wrong, what a place means, what may stand
 * there, and what would change. Pure: text in, values out, nothing of an editor's protocol. `analyse` (in
 * analyse.ts) answers all of it for one text; of another text one makes another analysis.
 *
 * Places are offsets in UTF-16 code units, as JavaScript counts them, and ends are exclusive. All of them lie
 * within the text, whatever stands in it.
 */
import type { Model, Sizes } from "../../runtime/contract/model.ts";
import type { Code } from "../diagnostics/messages.ts";
import type { Diagnostic, Edit } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";

export type { Diagnostic, Edit, Note } from "../diagnostics/report.ts";
export type { Span } from "../diagnostics/span.ts";

export interface Analysis {
  readonly text: string;
  /** As `sinter check` has them, all at once, in the order of the text. */
  readonly diagnostics: readonly Diagnostic[];
  /** Models without errors, in the order of the text. */
  readonly models: readonly ModelFacts[];
  /** What stands at a place. Undefined: nothing that could be told. */
  hover(at: number): Hover | undefined;
  /** What follows from the text and is not written there; all of it, or what lies within a span. */
  inlayHints(within?: Span): readonly InlayHint[];
  /** What may stand at a place, best first. */
  complete(at: number): readonly Completion[];
  /** Where the name at a place is defined. Undefined: it is no name, or what it means stands nowhere. */
  definition(at: number): Span | undefined;
  /** All places that mean the same as the one at `at`, in the order of the text. */
  references(at: number, withDefinition: boolean): readonly Span[];
  /** The same with its definition, in the model around `at`: what an editor lights up. */
  highlights(at: number): readonly Span[];
  /** The name that `rename` would replace. Undefined: there is none that may be renamed. */
  renameRange(at: number): { readonly span: Span; readonly name: string } | undefined;
  /** Gives the name at a place another one everywhere, or says why it cannot have it. */
  rename(at: number, name: string): Renamed;
  /** Edits that bring the text into its canonical layout, as `sinter fmt` does; none for a wrong text. */
  format(): readonly Edit[];
  /** What could be done about a place: corrections of what is wrong there, and other changes. */
  actions(within: Span): readonly Action[];
  /** Where the parts of models without errors are written, inherited ones too. */
  parts(): readonly PlacedPart[];
  symbols(): readonly OutlineEntry[];
  /** Blocks and comments of several lines. */
  folding(): readonly Span[];
  lenses(): readonly Lens[];
  /** Every token and comment of the text, by what it means. */
  tokens(): readonly ClassifiedToken[];
}

export interface ModelFacts {
  readonly name: string;
  /** From the word `model` to the closing brace. */
  readonly span: Span;
  readonly nameSpan: Span;
  readonly sizes: Sizes;
  readonly parameters: number;
  /** Those that one token uses: of a mixture's experts, as many as it is sent to. */
  readonly activeParameters: number;
  /** Arithmetic of one token at the end of a full context, in floating-point operations. */
  readonly flopsPerToken: number;
  /** For `exactBytes`, and for whoever compiles it. */
  readonly model: Model;
}

/** What a module takes when it runs, with as many workers as its machine gives it. */
export interface ModuleBytes {
  /** In all its memories together. */
  readonly bytes: number;
  /** Over how many memories it is divided. */
  readonly memories: number;
  /** False: one of its pieces is larger than a memory may be. */
  readonly fits: boolean;
}

export interface Hover {
  readonly span: Span;
  readonly markdown: string;
}

export interface InlayHint {
  /** Behind which place it is shown. */
  readonly at: number;
  /** Without white space around it. */
  readonly text: string;
  /** What an equation makes; a size that the text does not say; what a whole model comes to. */
  readonly kind: "shape" | "size" | "total";
  readonly tooltip?: string;
}

export type CompletionKind =
  | "keyword"
  | "section"
  | "setting"
  | "let"
  | "part"
  | "option"
  | "value"
  | "word"
  | "model"
  | "objective"
  | "function";

export interface Completion {
  readonly label: string;
  /** What takes the place of `replaces`. */
  readonly insert: string;
  /** `insert` has places to fill in, `${1:text}`, as snippets of the Language Server Protocol write them. */
  readonly isSnippet: boolean;
  readonly kind: CompletionKind;
  /** A few words: range and default, equation. */
  readonly detail: string;
  /** Markdown. */
  readonly documentation: string;
  readonly replaces: Span;
  /** The smaller, the likelier; the list is in this order. */
  readonly rank: number;
}

/** Edits that do not overlap; or why the name cannot be given, as a sentence. */
export type Renamed = { readonly edits: readonly Edit[] } | { readonly refused: string };

export interface Action {
  readonly title: string;
  readonly kind: "quickfix" | "refactor" | "explain";
  /** Empty where the action shows something instead: `explains`. */
  readonly edits: readonly Edit[];
  /** The diagnostic that is gone afterwards. */
  readonly fixes?: Diagnostic;
  /** The code whose long form is to be shown: `explanation` has it. */
  readonly explains?: Code;
}

export interface OutlineEntry {
  readonly name: string;
  readonly detail: string;
  readonly kind:
    | "model"
    | "plan"
    | "hardware"
    | "setting"
    | "let"
    | "section"
    | "equations"
    | "objective"
    | "head";
  readonly span: Span;
  readonly nameSpan: Span;
  readonly children: readonly OutlineEntry[];
}

/** A part of a model, by the names that its parameters have, and the place that says what it is. */
export interface PlacedPart {
  readonly model: string;
  readonly section: "embed" | "layer" | "output";
  /** Unique in its section: "layernorm_2". The embedding's tables together are "token". */
  readonly part: string;
  readonly span: Span;
}

/** A line above a model. */
export interface Lens {
  readonly span: Span;
  readonly title: string;
  readonly model: string;
  /** What a click does. Absent: the line only tells something. */
  readonly verb?: "check" | "train";
}

export type TokenClass =
  | "keyword"
  | "model"
  | "setting"
  | "let"
  | "part"
  | "option"
  | "value"
  | "word"
  | "objective"
  | "function"
  | "number"
  | "operator"
  | "bracket"
  | "comment"
  | "wrong";

export interface ClassifiedToken {
  readonly span: Span;
  readonly kind: TokenClass;
  /** It is where the name is defined. */
  readonly isDefinition: boolean;
}
