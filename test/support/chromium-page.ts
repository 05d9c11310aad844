/**
 * A page of Chromium by its DevTools protocol: widths, light and dark, keys, pictures, and what the page
 * asked for or complained of. One browser holds as many pages as a test opens, one after the other.
 *
 *     const browser = await openBrowser();
 *     const page = await browser.open("file:///report.html", { width: 360, scheme: "dark" });
 *     await page.evaluate("document.title");
 */
import { startBrowser } from "../../bench/measure/chromium.ts";

export interface Look {
  readonly width: number;
  readonly scheme: "light" | "dark";
}

export interface OpenPage {
  /** The value of an expression, or what its promise resolves to, as JSON. */
  evaluate(expression: string): Promise<unknown>;
  look(look: Look): Promise<void>;
  /** "Tab", "Enter", " ", "ArrowLeft", "F2", "Control+." … */
  press(key: string): Promise<void>;
  /** Text, as a keyboard or a telephone enters it. */
  type(text: string): Promise<void>;
  /** All of the page, as PNG. */
  picture(): Promise<Buffer>;
  /** What it has asked for besides itself: addresses. */
  readonly requests: readonly string[];
  /** Errors of scripts, and of the content security policy. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export interface ChromiumPage extends OpenPage {
  /** The page's own thread is so many times slower from now on. */
  slowDown(times: number): Promise<void>;
  /** Ends its process at once, as where memory has run out: nothing of the page hears of it. */
  kill(): Promise<void>;
}

type Params = Readonly<Record<string, unknown>>;
interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Params;
  readonly result?: Params;
  readonly error?: { readonly message: string };
}

/** Bits of what is held. */
const modifiers: Readonly<Record<string, number>> = { Alt: 1, Control: 2, Shift: 8 };

/** Virtual key codes of keys that are no letters. */
const keyCodes: Readonly<Record<string, number>> = {
  Backspace: 8,
  Tab: 9,
  Enter: 13,
  Escape: 27,
  " ": 32,
  End: 35,
  Home: 36,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
  Delete: 46,
  F2: 113,
  F12: 123,
  ".": 190,
};

export async function openBrowser() {
  const browser = startBrowser("about:blank");
  browser.gone.catch(() => {});
  const waiting = new Map<number, (message: Message) => void>();
  const listeners = new Set<(message: Message) => void>();
  let rest = "";
  browser.output.setEncoding("utf8").on("data", (text: string) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop()!;
    for (const message of messages.map((each) => JSON.parse(each) as Message)) {
      if (message.id === undefined) for (const listen of listeners) listen(message);
      else waiting.get(message.id)?.(message);
    }
  });
  let last = 0;
  const call = async (method: string, params: Params = {}, sessionId?: string): Promise<Params> => {
    const id = ++last;
    browser.input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const answer = new Promise<Message>((done) => waiting.set(id, done));
    const { result, error } = await Promise.race([answer, browser.gone]);
    waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result!;
  };
  return {
    open: (url: string, look: Look): Promise<ChromiumPage> => openPage(call, listeners, url, look),
    close: (): Promise<void> => browser.end(),
  };
}

type Call = (method: string, params?: Params, sessionId?: string) => Promise<Params>;

/** Keys by their names, held together as in "Control+a"; and text as a whole. */
const keyboard = (
  here: (method: string, params: Params) => Promise<Params>,
): Pick<OpenPage, "press" | "type"> => ({
  async press(keys) {
    const held = keys.split("+");
    const key = held.pop()!;
    const windowsVirtualKeyCode = keyCodes[key] ?? key.toUpperCase().charCodeAt(0);
    const bits = held.reduce((all, name) => all | modifiers[name]!, 0);
    const event = { key, windowsVirtualKeyCode, modifiers: bits, ...(key === " " && { text: " " }) };
    await here("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await here("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  },
  async type(text) {
    await here("Input.insertText", { text });
  },
});

const lookOf =
  (here: (method: string, params: Params) => Promise<Params>): OpenPage["look"] =>
  async ({ width, scheme }) => {
    const size = { width, height: 900, deviceScaleFactor: 1, mobile: false };
    await here("Emulation.setDeviceMetricsOverride", size);
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await here("Emulation.setEmulatedMedia", { features });
  };

async function openPage(
  call: Call,
  listeners: Set<(message: Message) => void>,
  url: string,
  first: Look,
): Promise<ChromiumPage> {
  const { targetId } = await call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  const here = (method: string, params: Params = {}): Promise<Params> =>
    call(method, params, sessionId as string);
  const requests: string[] = [];
  const complaints: string[] = [];
  const { promise: loaded, resolve } = Promise.withResolvers<void>();
  const listen = ({ sessionId: of, method, params = {} }: Message): void => {
    if (of !== sessionId) return;
    if (method === "Page.loadEventFired") resolve();
    if (method === "Network.requestWillBeSent") {
      const { url: asked } = params["request"] as { readonly url: string };
      if (asked !== url) requests.push(asked);
    }
    if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded")
      complaints.push(JSON.stringify(params));
  };
  listeners.add(listen);
  for (const domain of ["Page", "Network", "Runtime", "Log"]) await here(`${domain}.enable`);
  const look = lookOf(here);
  const close = async (): Promise<void> => {
    listeners.delete(listen);
    await call("Target.closeTarget", { targetId });
  };
  await here("Emulation.setScrollbarsHidden", { hidden: true }); // pictures have none
  await look(first);
  await here("Page.navigate", { url });
  await loaded;
  return {
    requests,
    complaints,
    look,
    async evaluate(expression) {
      const how = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await here("Runtime.evaluate", how);
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { readonly value: unknown }).value;
    },
    ...keyboard(here),
    async picture() {
      const { data } = await here("Page.captureScreenshot", { captureBeyondViewport: true });
      return Buffer.from(String(data), "base64");
    },
    async slowDown(rate) {
      await here("Emulation.setCPUThrottlingRate", { rate });
    },
    async kill() {
      const crashed = here("Page.crash"); // a page that is gone does not answer
      await Promise.race([crashed, new Promise((done) => setTimeout(done, 1000))]);
      await close();
    },
    close,
  };
}
