/** The editor in the page: in the place of the text that is shown first, with its buttons and its status. */
import type { Page } from "../page/page.ts";
import { openEditor, type SpecEditor } from "./editor.ts";
import { openStatus } from "./status.ts";

export function placeEditor(page: Page): SpecEditor {
  const place = (id: string): HTMLElement => document.getElementById(id)!;
  const editor = openEditor({
    first: page.spec.now.text,
    thread: page.check,
    text: page.text,
    announce: page.announce,
    help: page.text("editor.help"),
    changed: (text) => page.spec.set({ ...page.spec.now, text }),
    moved: (at) => page.cursor.set(at),
  });
  place("editor").replaceChildren(editor.element);
  page.spec.watch(({ text }) => editor.setText(text));
  page.checked.watch((checked) => checked && editor.show(checked));
  place("mend").addEventListener("click", () => editor.mend());
  place("format").addEventListener("click", () => editor.format());
  place("undo").addEventListener("click", () => editor.undo());
  place("mistakes").addEventListener("click", () => editor.nextDiagnostic());
  for (const id of ["mend", "format", "undo", "mistakes"]) (place(id) as HTMLButtonElement).disabled = false;
  openStatus(page, place("status"), place("mistakes"));
  return editor;
}
