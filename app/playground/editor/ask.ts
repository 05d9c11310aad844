/** What is asked about the place of the cursor: hover, definition, a new name, layout, corrections. */
import { nextDiagnostic } from "@codemirror/lint";
import type { Extension } from "@codemirror/state";
import {
  activateHover,
  closeHoverTooltips,
  EditorView,
  hasHoverTooltips,
  hoverTooltip,
  type KeyBinding,
  type Tooltip,
} from "@codemirror/view";
import type { Action, Edit } from "../../../compiler/language-service/language-service.ts";
import type { Diagnostic, Span } from "../check/checked.ts";
import type { CheckThread } from "../check/checking.ts";
import { element } from "../page/element.ts";
import type { Page } from "../page/page.ts";
import { askName, offer, tell } from "./dialogs.ts";
import { markdownElements } from "./markdown.ts";

/** What the editor needs of the page around it. */
export type Around = Pick<Page, "text" | "announce"> & { readonly thread: CheckThread };

export class Asking {
  readonly #around: Around;
  readonly #hover = hoverTooltip((view, at) => this.#tooltip(view, at), { hideOnChange: true });

  constructor(around: Around) {
    this.#around = around;
  }

  get extension(): Extension {
    const toDefinition = EditorView.domEventHandlers({
      click: (event, view) => {
        const at = event.ctrlKey || event.metaKey ? view.posAtCoords(event) : null;
        if (at === null) return false;
        void this.#goToDefinition(view, at);
        return true;
      },
    });
    return [this.#hover, toDefinition];
  }

  get keys(): readonly KeyBinding[] {
    const does = (run: (view: EditorView) => unknown) => (view: EditorView) => {
      void run(view);
      return true;
    };
    return [
      { key: "Mod-i", run: does((view) => this.#tellHere(view)), preventDefault: true },
      { key: "Mod-.", run: does((view) => this.mend(view)), preventDefault: true },
      { key: "F2", run: does((view) => this.#rename(view)), preventDefault: true },
      { key: "F12", run: does((view) => this.#goToDefinition(view, cursor(view))), preventDefault: true },
      { key: "Escape", run: closeHover },
      { key: "Shift-Alt-f", run: does((view) => this.format(view)), preventDefault: true },
    ];
  }

  /** Does what an action says. */
  apply(view: EditorView, { edits, explains }: Action): void {
    if (explains !== undefined) return void this.explain(view, explains);
    applyEdits(view, edits);
    view.focus();
  }

  /** Shows the long form of a diagnostic. */
  async explain(view: EditorView, code: Diagnostic["code"]): Promise<void> {
    const markdown = await this.#around.thread.call("explain", code);
    const content = element("div", { class: "explained", tabindex: 0 }, ...markdownElements(markdown));
    tell(view, this.#close, content);
  }

  explainText(code: Diagnostic["code"]): string {
    return this.#around.text("editor.explain", { code });
  }

  async format(view: EditorView): Promise<void> {
    const { thread, text: say } = this.#around;
    const edits = await answerOf(view, (text) => thread.call("format", text));
    if (edits && edits.length > 0) applyEdits(view, edits);
    else if (edits && (await hasErrors(thread, textOf(view)))) this.#say(view, say("editor.wrong"));
    else view.focus();
  }

  /** Offers what could be done about the cursor's line; where that is nothing, about the next mistake. */
  async mend(view: EditorView): Promise<void> {
    const { thread, text: say } = this.#around;
    const actionsHere = (): Promise<readonly Action[] | undefined> => {
      const { from, to } = view.state.doc.lineAt(cursor(view));
      return answerOf(view, (text) => thread.call("actions", { text, within: { start: from, end: to } }));
    };
    let actions = await actionsHere();
    if (!actions) return;
    if (!actions.some(({ kind }) => kind === "quickfix") && nextDiagnostic(view))
      actions = await actionsHere();
    if (actions?.length === 0) this.#say(view, say("editor.noActions"));
    else if (actions) offer(view, this.#close, actions, (action) => this.apply(view, action));
  }

  get #close(): string {
    return this.#around.text("editor.close");
  }

  /** Says something to all: it is shown below the text, too. */
  #say(view: EditorView, message: string): void {
    this.#around.announce(message);
    tell(view, this.#close, element("p", {}, message));
  }

  async #tooltip(view: EditorView, at: number): Promise<Tooltip | null> {
    const found = await answerOf(view, (text) => this.#around.thread.call("hover", { text, at }));
    if (!found) return null;
    const { span, markdown } = found;
    const create = () => ({ dom: element("div", { class: "about" }, ...markdownElements(markdown)) });
    return { pos: span.start, end: span.end, above: true, create };
  }

  /** Shows what stands at the cursor, and says it. */
  #tellHere(view: EditorView): void {
    const { thread, text: say, announce } = this.#around;
    const at = cursor(view);
    closeHover(view);
    activateHover(view, at, 1, {
      tooltip: this.#hover,
      until: ({ selection, docChanged }) => docChanged || selection !== undefined,
    });
    void answerOf(view, (text) => thread.call("hover", { text, at })).then((found) =>
      announce(found ? found.markdown.replaceAll(/[`*]/g, "") : say("editor.noHover")),
    );
  }

  async #goToDefinition(view: EditorView, at: number): Promise<void> {
    const { thread, text: say } = this.#around;
    const span = await answerOf(view, (text) => thread.call("definition", { text, at }));
    if (span) select(view, span);
    else this.#say(view, say("editor.noDefinition"));
  }

  async #rename(view: EditorView): Promise<void> {
    const { thread, text: say } = this.#around;
    const at = cursor(view);
    const range = await answerOf(view, (text) => thread.call("renameRange", { text, at }));
    if (!range) return this.#say(view, say("editor.noName"));
    const words = { label: say("editor.newName"), submitLabel: say("editor.rename") };
    const name = await askName(view, { ...words, name: range.name });
    if (name === undefined || name === range.name) return;
    const renamed = await answerOf(view, (text) => thread.call("rename", { text, at, name }));
    if (!renamed) return;
    if ("edits" in renamed) applyEdits(view, renamed.edits);
    else this.#say(view, renamed.refused);
  }
}

/** Whether there was one. */
function closeHover(view: EditorView): boolean {
  if (!hasHoverTooltips(view.state)) return false;
  view.dispatch({ effects: closeHoverTooltips });
  return true;
}

const textOf = (view: EditorView): string => view.state.doc.toString();
const cursor = (view: EditorView): number => view.state.selection.main.head;

/** The answer to a question about the text; undefined where that is another one by now. */
async function answerOf<T>(view: EditorView, question: (text: string) => Promise<T>): Promise<T | undefined> {
  const text = textOf(view);
  const answer = await question(text);
  return textOf(view) === text ? answer : undefined;
}

const hasErrors = async (thread: CheckThread, text: string): Promise<boolean> =>
  (await thread.call("analyse", text)).diagnostics.some(({ severity }) => severity === "error");

function applyEdits(view: EditorView, edits: readonly Edit[]): void {
  const changes = edits.map(({ span, text }) => ({ from: span.start, to: span.end, insert: text }));
  view.dispatch({ changes, userEvent: "input", scrollIntoView: true });
}

/** Puts the cursor on a place and brings it into view. */
export function select(view: EditorView, { start, end }: Span, focus = true): void {
  const { length } = view.state.doc;
  const anchor = Math.min(start, length);
  view.dispatch({
    selection: { anchor, head: Math.min(end, length) },
    effects: EditorView.scrollIntoView(anchor, { y: "center" }),
  });
  if (focus) view.focus();
}
