/** What opens below the text: a name is asked, corrections are offered, something is told. Escape closes. */
import { EditorView, showDialog } from "@codemirror/view";
import type { Action } from "../../../compiler/language-service/language-service.ts";
import { element } from "../page/element.ts";
import { inline } from "./markdown.ts";

interface NameQuestion {
  readonly label: string;
  readonly submitLabel: string;
  /** The name as it is. */
  readonly name: string;
}

/** Undefined: nothing was entered. */
export async function askName(
  view: EditorView,
  { label, submitLabel, name }: NameQuestion,
): Promise<string | undefined> {
  const input = { type: "text", name: "name", value: name, autocomplete: "off", autocapitalize: "none" };
  const form = await showDialog(view, { label, input, submitLabel, focus: true }).result;
  view.focus();
  const entered = form && new FormData(form).get("name");
  return typeof entered === "string" && entered.trim() !== "" ? entered.trim() : undefined;
}

/** `close`: the word on the button that closes it. */
export function tell(view: EditorView, close: string, content: HTMLElement): void {
  const { result } = showDialog(view, {
    content: () => element("form", {}, content, element("button", { type: "submit" }, close)),
    focus: "button",
  });
  void result.then(() => view.focus());
}

/** Below what is wrong, what would mend it; then what else could be done. */
export function offer(
  view: EditorView,
  close: string,
  actions: readonly Action[],
  choose: (action: Action) => void,
): void {
  let chosen: Action | undefined;
  const button = (action: Action): HTMLElement =>
    element("button", { type: "submit", onclick: () => (chosen = action) }, ...inline(action.title));
  const mistakes = new Set(actions.flatMap(({ fixes }) => fixes ?? []));
  const form = element(
    "form",
    {},
    ...[...mistakes].flatMap((mistake) => [
      element("p", {}, ...inline(mistake.text)),
      ...actions.filter(({ fixes }) => fixes === mistake).map(button),
    ]),
    element("p"),
    ...actions.filter(({ fixes }) => fixes === undefined).map(button),
    element("button", { type: "submit" }, close),
  );
  void showDialog(view, { content: () => form, focus: true }).result.then(() => {
    view.focus();
    if (chosen) choose(chosen);
  });
}
