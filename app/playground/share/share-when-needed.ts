/** Sharing's code is loaded when there is something to share: a link in the address, a change, a press. */
import type { Page } from "../page/page.ts";
import type { Sharing } from "./sharing.ts";

export function shareWhenNeeded(
  page: Page,
  button: HTMLButtonElement,
  failed: (error: unknown) => void,
): void {
  let sharing: Promise<Sharing> | undefined;
  const open = (): Promise<Sharing> =>
    (sharing ??= import("./sharing.ts").then(({ openSharing }) => openSharing(page, button)));
  const need = (): void => void open().catch(failed);
  const once = new AbortController();
  let isFirst = true;
  for (const value of [page.spec, page.experiment, page.model.state])
    value.watch(() => {
      if (isFirst) return; // the page as it begins needs no link
      once.abort();
      need();
    }, once.signal);
  isFirst = false;
  if (location.hash !== "") need();
  addEventListener("hashchange", need, { signal: once.signal });
  button.addEventListener("click", () => {
    open()
      .then((opened) => opened.share())
      .catch(failed);
  });
}
