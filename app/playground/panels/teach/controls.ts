/** Small things that the parts of the panel have in common: buttons, progress, files in and out. */
import { element, type Attributes } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { TextKey, TextValues } from "../../texts/texts.ts";

export const button = (
  page: Page,
  key: TextKey,
  onclick: () => void,
  more: Attributes = {},
): HTMLButtonElement => element("button", { type: "button", onclick, ...more }, page.words(key));

/** A line that says how far something is, and whether it has failed. */
export interface StatusLine {
  readonly element: HTMLElement;
  say(key: TextKey, values?: TextValues): void;
  /** `share`: 0 … 1. */
  progress(share: number, key: TextKey, values: TextValues): void;
  failed(cause: unknown): void;
  clear(): void;
}

export function statusLine(page: Page): StatusLine {
  const bar = element("progress", { max: 1, value: 0, hidden: true });
  const text = element("span", {});
  const line = element("label", { class: "teach-status" }, bar, text);
  const show = (isRunning: boolean, wrong: boolean, ...said: readonly HTMLElement[]): void => {
    bar.hidden = !isRunning;
    text.className = wrong ? "wrong" : "";
    text.replaceChildren(...said);
  };
  return {
    element: line,
    say(key, values) {
      show(false, false, page.words(key, values));
      page.announce(page.text(key, values));
    },
    progress(share, key, values) {
      bar.value = share;
      show(true, false, page.words(key, values));
    },
    failed(cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      show(false, true, page.words("teach.failed", { error }));
      page.announce(page.text("teach.failed", { error }));
    },
    clear: () => show(false, false),
  };
}

/**
 * A button that begins something, and one that stops it. What it rejects with is said, unless it was stopped.
 */
export function startOrStop(
  page: Page,
  key: TextKey,
  status: StatusLine,
  work: (signal: AbortSignal) => Promise<void>,
  more: Attributes = {},
): HTMLElement {
  let running: AbortController | undefined;
  const begin = async (): Promise<void> => {
    const { signal } = (running = new AbortController());
    start.hidden = true;
    stop.hidden = false;
    stop.focus();
    try {
      await work(signal);
    } catch (cause) {
      if (signal.aborted) status.clear();
      else status.failed(cause);
    } finally {
      start.hidden = false;
      stop.hidden = true;
    }
  };
  const start = button(page, key, () => void begin(), { class: "main", ...more });
  const stop = button(page, "teach.stop", () => running?.abort(), { hidden: true });
  return element("div", { class: "row" }, start, stop);
}

/** Gives the visitor a file. */
export function saveFile(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url));
}

/** A button that takes a file of the visitor's. */
export function openFile(
  page: Page,
  key: TextKey,
  take: (bytes: Uint8Array, name: string) => void,
  more: Attributes = {},
): HTMLElement {
  const input = element("input", { type: "file", accept: ".jsonl,.json", hidden: true, ...more });
  input.addEventListener("change", async () => {
    const [file] = input.files ?? [];
    input.value = "";
    if (file) take(new Uint8Array(await file.arrayBuffer()), file.name);
  });
  return element(
    "span",
    {},
    button(page, key, () => input.click()),
    input,
  );
}
