/**
 * What the thread has answered about the text, drawn into it: colours by the compiler's token classes, hints,
 * marks of what is wrong. An answer about another text than the one shown is dropped; what was drawn moves
 * with the text until the next answer comes.
 */
import { setDiagnostics, type Diagnostic as Shown } from "@codemirror/lint";
import { StateEffect, StateField, type Extension } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, type DecorationSet } from "@codemirror/view";
import type { Action, InlayHint } from "../../../compiler/language-service/language-service.ts";
import type { Analysed, Diagnostic } from "../check/checked.ts";
import { element } from "../page/element.ts";
import type { Asking } from "./ask.ts";
import { markdownElements } from "./markdown.ts";

const answered = StateEffect.define<Analysed>();

class Hint extends WidgetType {
  readonly hint: InlayHint;
  constructor(hint: InlayHint) {
    super();
    this.hint = hint;
  }
  override eq(other: Hint): boolean {
    return other.hint.text === this.hint.text && other.hint.tooltip === this.hint.tooltip;
  }
  override toDOM(): HTMLElement {
    const { text, kind, tooltip } = this.hint;
    return element("span", { class: `hint ${kind}`, title: tooltip }, text);
  }
}

const tokenMarks = new Map<string, Decoration>();
function tokenMark(kind: string): Decoration {
  const known = tokenMarks.get(kind) ?? Decoration.mark({ class: `t-${kind}` });
  tokenMarks.set(kind, known);
  return known;
}

const colours = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(before, { effects, changes }) {
    for (const effect of effects)
      if (effect.is(answered))
        return Decoration.set(
          effect.value.tokens.map(({ span, kind }) => tokenMark(kind).range(span.start, span.end)),
          true,
        );
    return before.map(changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const hints = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(before, { effects, changes }) {
    for (const effect of effects)
      if (effect.is(answered))
        return Decoration.set(
          effect.value.hints.map((hint) =>
            Decoration.widget({ widget: new Hint(hint), side: 1 }).range(hint.at),
          ),
          true,
        );
    return before.map(changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

export const shownAnswers: Extension = [colours, hints];

type Mending = Pick<Asking, "apply" | "explain" | "explainText">;

/** Draws an answer, if it is about the text that is shown. */
export function showAnswer(view: EditorView, analysed: Analysed, asks: Mending): boolean {
  if (view.state.doc.toString() !== analysed.text) return false;
  const shown = analysed.diagnostics.map((d, i) => shownDiagnostic(d, analysed.fixes[i]!, asks));
  const diagnostics = setDiagnostics(view.state, shown);
  const effects = [answered.of(analysed), ...[diagnostics.effects ?? []].flat()];
  view.dispatch({ effects });
  return true;
}

function shownDiagnostic(d: Diagnostic, fixes: readonly Action[], asks: Mending): Shown {
  return {
    from: d.span.start,
    to: d.span.end,
    severity: d.severity,
    source: d.code,
    message: messageOf(d),
    renderMessage: () => element("div", { class: "message" }, ...markdownElements(messageOf(d))),
    actions: [
      ...fixes.map((action) => ({
        name: action.title,
        apply: (view: EditorView) => asks.apply(view, action),
      })),
      { name: asks.explainText(d.code), apply: (view: EditorView) => void asks.explain(view, d.code) },
    ],
  };
}

const messageOf = ({ text, notes, help }: Diagnostic): string =>
  [text, ...notes.map((note) => `note: ${note.text}`), ...(help === undefined ? [] : [`help: ${help}`])].join(
    "\n\n",
  );
