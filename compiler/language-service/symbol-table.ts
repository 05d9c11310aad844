/** What the checker wrote down about a text: what names mean, and what values come to in each model. */
import type { Value, Word } from "../1-parse/ast.ts";
import type { Resolved } from "../2-check/inherit.ts";
import type { ModelRecorder, Recorder, SymbolKind } from "../2-check/record.ts";
import type { Span } from "../diagnostics/span.ts";
import type { Part } from "../../runtime/contract/model.ts";

export interface Definition {
  readonly kind: SymbolKind;
  readonly name: string;
  readonly span: Span;
}

/** What is known of a model, whether or not it has errors. */
export interface ModelNotes {
  readonly resolved: Resolved;
  readonly numbers: Facts<number>;
  readonly columns: Facts<number>;
  readonly parts: Facts<Part>;
}

/** Facts about places. */
export class Facts<T> {
  private readonly byPlace = new Map<number, { readonly span: Span; readonly fact: T }>();

  put(span: Span, fact: T): void {
    if (!span.of) this.byPlace.set(placeOf(span), { span, fact });
  }
  at(span: Span): T | undefined {
    return this.byPlace.get(placeOf(span))?.fact;
  }
  all(): readonly { readonly span: Span; readonly fact: T }[] {
    return [...this.byPlace.values()];
  }
}

/** One number for a place: texts have at most 2²⁰ characters. */
const placeOf = ({ start, end }: Span): number => start * 2 ** 21 + end;

export class SymbolTable implements Recorder {
  /** By where they begin, in the order of the text as far as the checker goes along it. */
  readonly definitions = new Map<number, Definition>();
  readonly models: ModelNotes[] = [];
  private readonly uses = new Map<number, { readonly span: Span; readonly definitions: Set<number> }>();
  /** Union-find: definitions that are one name, by where they begin. */
  private readonly parents = new Map<number, number>();
  /** All places of a name, by the definition that stands for its group; made when first asked for. */
  private groups: Map<number, Span[]> | undefined;

  define(kind: SymbolKind, { text, span }: Word): void {
    if (!span.of) this.definitions.set(span.start, { kind, name: text, span });
  }

  use({ span }: Word, definition: Span): void {
    if (span.of || definition.of) return;
    const known = this.uses.get(span.start);
    if (known) {
      for (const other of known.definitions) this.join(other, definition.start);
      known.definitions.add(definition.start);
    } else this.uses.set(span.start, { span, definitions: new Set([definition.start]) });
  }

  same(one: Span, other: Span): void {
    if (!one.of && !other.of) this.join(one.start, other.start);
  }

  model(resolved: Resolved): ModelRecorder {
    const notes: ModelNotes = {
      resolved,
      numbers: new Facts(),
      columns: new Facts(),
      parts: new Facts(),
    };
    this.models.push(notes);
    return {
      define: (kind, name) => this.define(kind, name),
      use: (word, definition) => this.use(word, definition),
      same: (one, other) => this.same(one, other),
      number: ({ span }: Value, is) => notes.numbers.put(span, is),
      columns: (span, columns) => notes.columns.put(span, columns),
      part: (span, part) => notes.parts.put(span, part),
    };
  }

  /** Where what a word at `start` means is defined: in the order in which models were checked. */
  definitionsOf(start: number): readonly number[] {
    return [...(this.uses.get(start)?.definitions ?? (this.definitions.has(start) ? [start] : []))];
  }

  /** What a word at `start` is the name of. An `x` that comes from outside has no definition of its own. */
  definitionAt(start: number): Definition | undefined {
    for (const at of [start, ...this.definitionsOf(start)]) {
      const found = this.definitions.get(at);
      if (found) return found;
    }
    return undefined;
  }

  /** All places that mean what the word at `start` means, in the order of the text. */
  places(start: number): readonly Span[] {
    const [definition] = this.definitionsOf(start);
    return definition === undefined ? [] : (this.allGroups().get(this.rootOf(definition)) ?? []);
  }

  /** Every name's places, each name once. */
  allPlaces(): readonly (readonly Span[])[] {
    return [...this.allGroups().values()];
  }

  private allGroups(): Map<number, Span[]> {
    this.groups ??= this.gathered();
    return this.groups;
  }

  private gathered(): Map<number, Span[]> {
    const places = new Map<number, Map<number, Span>>();
    const add = (definition: number, span: Span): void => {
      const root = this.rootOf(definition);
      places.set(root, (places.get(root) ?? new Map<number, Span>()).set(span.start, span));
    };
    for (const { span } of this.definitions.values()) add(span.start, span);
    for (const { span, definitions } of this.uses.values()) for (const d of definitions) add(d, span);
    return new Map(
      [...places].map(([root, spans]) => [root, [...spans.values()].sort((a, b) => a.start - b.start)]),
    );
  }

  private join(one: number, other: number): void {
    const [a, b] = [this.rootOf(one), this.rootOf(other)];
    if (a !== b) this.parents.set(Math.max(a, b), Math.min(a, b));
  }

  private rootOf(start: number): number {
    let root = start;
    for (let up = this.parents.get(root); up !== undefined; up = this.parents.get(root)) root = up;
    return root;
  }
}
