/**
 * The editor of specs: CodeMirror with what the checking thread knows. A module of its own: a page gives it a
 * text, the thread, and the answers about each text, and hears of changes.
 *
 * It stands in a shadow root, where CodeMirror's style sheets are adopted: a page's policy may forbid style
 * elements. The page's colours reach it as custom properties (styles/palette.css).
 */
import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab, undo } from "@codemirror/commands";
import { bracketMatching, indentService, indentUnit } from "@codemirror/language";
import { lintKeymap, nextDiagnostic } from "@codemirror/lint";
import { EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  tooltips,
} from "@codemirror/view";
import type { Analysed, Span } from "../check/checked.ts";
import { element } from "../page/element.ts";
import { Asking, select, type Around } from "./ask.ts";
import { completion } from "./complete.ts";
import { look } from "./look.ts";
import { shownAnswers, showAnswer } from "./shown.ts";

export interface EditorOptions extends Around {
  /** The text to begin with. */
  readonly first: string;
  /** How it is used by keys, and left. */
  readonly help: string;
  /** Called at each change of the text. */
  changed(text: string): void;
  /** Called when the cursor has moved: an offset in the text. */
  moved?(at: number): void;
}

export interface SpecEditor {
  readonly element: HTMLElement;
  readonly text: string;
  /** Replaces the text; undo brings the old one back. */
  setText(text: string): void;
  /** Draws an answer of the thread; one about another text is dropped. */
  show(analysed: Analysed): void;
  /** `focus`: whether the editor is used from now on. Default: yes. */
  select(span: Span, focus?: boolean): void;
  nextDiagnostic(): void;
  format(): void;
  mend(): void;
  undo(): void;
  focus(): void;
  close(): void;
}

const INDENT = "  ";
const HELP = "help";

/** As deep as the braces that are open before the line, less one where the line closes one. */
const indentation = indentService.of((context, at) => {
  const line = context.state.doc.lineAt(at);
  const before = context.state.doc.sliceString(0, line.from).replaceAll(/\/\/.*/g, "");
  const depth = (before.match(/[{(]/g)?.length ?? 0) - (before.match(/[})]/g)?.length ?? 0);
  const closes = /^\s*[})]/.test(context.textAfterPos(at, 1)) ? 1 : 0;
  return Math.max(0, depth - closes) * INDENT.length;
});

const basics: Extension = [
  lineNumbers(),
  highlightActiveLineGutter(),
  highlightSpecialChars(),
  history(),
  drawSelection(),
  indentUnit.of(INDENT),
  indentation,
  bracketMatching(),
  closeBrackets(),
  highlightActiveLine(),
  EditorView.lineWrapping,
  EditorState.tabSize.of(INDENT.length),
  EditorState.languageData.of(() => [{ commentTokens: { line: "//" } }]),
];

export function openEditor(options: EditorOptions): SpecEditor {
  const host = element("div", { class: "editor-host" });
  const root = host.attachShadow({ mode: "open" });
  root.append(element("p", { id: HELP, hidden: true }, options.help));
  const asks = new Asking(options);
  const view = new EditorView({ root, parent: root, state: stateOf(options, asks) });
  return {
    element: host,
    get text() {
      return view.state.doc.toString();
    },
    setText(text) {
      if (view.state.doc.toString() === text) return;
      view.dispatch({
        changes: { from: 0, to: view.state.doc.length, insert: text },
        selection: { anchor: 0 },
      });
    },
    show: (analysed) => void showAnswer(view, analysed, asks),
    select: (span, focus) => select(view, span, focus),
    nextDiagnostic() {
      nextDiagnostic(view);
      view.focus();
    },
    format: () => void asks.format(view),
    mend: () => void asks.mend(view),
    undo() {
      undo(view);
      view.focus();
    },
    focus: () => view.focus(),
    close: () => view.destroy(),
  };
}

function stateOf({ first, thread, text: say, changed, moved }: EditorOptions, asks: Asking): EditorState {
  return EditorState.create({
    doc: first,
    extensions: [
      basics,
      shownAnswers,
      completion(thread),
      asks.extension,
      look,
      tooltips({ position: "fixed" }),
      keymap.of([
        ...asks.keys,
        ...closeBracketsKeymap,
        ...completionKeymap,
        ...lintKeymap,
        ...historyKeymap,
        ...defaultKeymap,
        indentWithTab, // Escape, then Tab leaves the editor
      ]),
      EditorView.contentAttributes.of({
        tabindex: "0",
        "aria-label": say("editor.name"),
        "aria-describedby": HELP,
        spellcheck: "false",
        autocorrect: "off",
        autocapitalize: "off",
      }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) changed(update.state.doc.toString());
        if (update.docChanged || update.selectionSet) moved?.(update.state.selection.main.head);
      }),
    ],
  });
}
