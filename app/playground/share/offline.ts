/**
 * The service worker from the page's side: it is registered when the page has come to rest, and asked for
 * shared memory when the visitor wants threads and the host cannot send the headers for that.
 */
import { element } from "../page/element.ts";
import type { Page } from "../page/page.ts";

/** After the page has loaded, so that what it keeps does not hold up what the visitor waits for. */
const REGISTER_MS = 3000;
/** Set before the one reload, so that the page can say when that did not help. */
const RELOADED = "sinter.reloaded";

/** Where there are service workers: in built pages, over https or from this machine. */
const isPossible = (): boolean => import.meta.env.MODE === "production" && "serviceWorker" in navigator;

const register = (): Promise<ServiceWorkerRegistration> => navigator.serviceWorker.register("./sw.js");

export function keepForOffline(): void {
  if (!isPossible()) return;
  const later = (): void => {
    setTimeout(() => void register().catch((cause: unknown) => console.warn(cause)), REGISTER_MS);
  };
  if (document.readyState === "complete") later();
  else addEventListener("load", later, { once: true });
}

/** A button that gives the page all cores by one reload; undefined where it has them or cannot get them. */
export function threadsButton(page: Page): HTMLElement | undefined {
  const cores = navigator.hardwareConcurrency || 1;
  const hasReloaded = sessionStorage.getItem(RELOADED) !== null;
  sessionStorage.removeItem(RELOADED);
  if (crossOriginIsolated || cores < 2 || !isPossible()) return undefined;
  if (hasReloaded) return page.words("threads.failed");
  const use = async (): Promise<void> => {
    button.disabled = true;
    await page.model.keep();
    await isolate();
    sessionStorage.setItem(RELOADED, "yes");
    location.reload();
  };
  const failed = (cause: unknown): void => {
    console.error(cause);
    button.replaceWith(page.words("threads.failed"));
  };
  const attributes = { type: "button", onclick: () => void use().catch(failed) };
  const button = element("button", attributes, page.words("threads.use", { count: cores }));
  return button;
}

/** From the next load on, the service worker adds the headers. */
async function isolate(): Promise<void> {
  await register();
  const { active } = await navigator.serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  await new Promise((done) => {
    port1.onmessage = done;
    active!.postMessage("isolate", [port2]);
  });
  port1.close();
}
