/**
 * A page of Firefox by WebDriver BiDi, with what chromium-page.ts gives of one of Chromium. Colours are
 * chosen when the browser starts, since the protocol cannot change them.
 *
 *     const browser = await openFirefox();
 *     const page = await browser.open("http://127.0.0.1:8080/", { width: 360, scheme: "light" });
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Look, OpenPage } from "./chromium-page.ts";

const FIREFOX = ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find((path) => existsSync(path));

/** Why Firefox is not here; undefined: it is. */
export const firefoxMissing = (): string | undefined =>
  FIREFOX === undefined ? "no Firefox here: apt-get install firefox-esr" : undefined;

/** Nothing asks the network for anything but the page. */
const prefs = (scheme: Look["scheme"]): Readonly<Record<string, string | number | boolean>> => ({
  "layout.css.prefers-color-scheme.content-override": scheme === "dark" ? 0 : 1,
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.safebrowsing.downloads.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false,
});

type Params = Readonly<Record<string, unknown>>;
interface Message {
  readonly id?: number;
  readonly type: "success" | "error" | "event";
  readonly method?: string;
  readonly params?: Params;
  readonly result?: Params;
  readonly message?: string;
}
type Call = (method: string, params?: Params) => Promise<Params>;

/** Starts the browser with a profile of its own. */
async function startFirefox(scheme: Look["scheme"]) {
  const profile = mkdtempSync(join(tmpdir(), "sinter-firefox-"));
  const lines = Object.entries(prefs(scheme)).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  writeFileSync(join(profile, "user.js"), lines.join("\n"));
  const flags = [
    "--headless",
    "--remote-debugging-port=0",
    "--profile",
    profile,
    "--no-remote",
    "about:blank",
  ];
  const browser = spawn(FIREFOX!, flags, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  browser.once("exit", (code) => reject(new Error(`Firefox ended with code ${code}`))).once("error", reject);
  createInterface({ input: browser.stderr }).on("line", (line) => {
    const address = /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1];
    if (address !== undefined) resolve(address);
  });
  const end = async (): Promise<void> => {
    try {
      process.kill(-browser.pid!, "SIGKILL");
    } catch {
      // it has ended
    }
    await new Promise((done) => setTimeout(done, 200));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return { address: await promise, end };
  } catch (error) {
    await end();
    throw error;
  }
}

export async function openFirefox(scheme: Look["scheme"] = "light") {
  const { address, end } = await startFirefox(scheme);
  const socket = new WebSocket(`${address}/session`);
  const waiting = new Map<number, (message: Message) => void>();
  const listeners = new Set<(message: Message) => void>();
  const { promise: gone, reject } = Promise.withResolvers<never>();
  gone.catch(() => {});
  socket.addEventListener("close", () => reject(new Error("Firefox has closed its connection")));
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.id === undefined) for (const listen of listeners) listen(message);
    else waiting.get(message.id)?.(message);
  });
  await Promise.race([new Promise((done) => socket.addEventListener("open", done, { once: true })), gone]);
  let last = 0;
  const call: Call = async (method, params = {}) => {
    const id = ++last;
    socket.send(JSON.stringify({ id, method, params }));
    const answer = await Promise.race([new Promise<Message>((done) => waiting.set(id, done)), gone]);
    waiting.delete(id);
    if (answer.type === "error") throw new Error(`${method}: ${answer.message}`);
    return answer.result!;
  };
  await call("session.new", { capabilities: {} });
  await call("session.subscribe", { events: ["log.entryAdded", "network.beforeRequestSent"] });
  return {
    open: (url: string, look: Look): Promise<OpenPage> => openPage(call, listeners, url, look),
    close: end,
  };
}

/** WebDriver's characters for keys that are no letters. */
const keys: Readonly<Record<string, string>> = {
  Backspace: "\uE003",
  Tab: "\uE004",
  Enter: "\uE007",
  Shift: "\uE008",
  Control: "\uE009",
  Alt: "\uE00A",
  Escape: "\uE00C",
  End: "\uE010",
  Home: "\uE011",
  ArrowLeft: "\uE012",
  ArrowUp: "\uE013",
  ArrowRight: "\uE014",
  ArrowDown: "\uE015",
  Delete: "\uE017",
  F2: "\uE032",
  F12: "\uE03C",
};

/** Keys by their names, held together as in "Control+a"; and text, key by key. */
function keyboard(call: Call, context: unknown): Pick<OpenPage, "press" | "type"> {
  const strike = async (actions: readonly Params[]): Promise<void> => {
    await call("input.performActions", { context, actions: [{ type: "key", id: "keyboard", actions }] });
  };
  return {
    press(together) {
      const values = together.split("+").map((key) => keys[key] ?? key);
      return strike([
        ...values.map((value) => ({ type: "keyDown", value })),
        ...values.toReversed().map((value) => ({ type: "keyUp", value })),
      ]);
    },
    type: (text) =>
      strike([...text].flatMap((value) => ["keyDown", "keyUp"].map((type) => ({ type, value })))),
  };
}

async function openPage(
  call: Call,
  listeners: Set<(message: Message) => void>,
  url: string,
  first: Look,
): Promise<OpenPage> {
  const { context } = await call("browsingContext.create", { type: "tab" });
  const requests: string[] = [];
  const complaints: string[] = [];
  const listen = ({ method, params = {} }: Message): void => {
    if (method === "network.beforeRequestSent" && params["context"] === context) {
      const { url: asked } = params["request"] as { readonly url: string };
      if (asked !== url) requests.push(asked);
    }
    const { context: source } = (params["source"] ?? {}) as { readonly context?: unknown };
    if (method === "log.entryAdded" && params["level"] === "error" && source === context)
      complaints.push(JSON.stringify(params));
  };
  listeners.add(listen);
  const look = async ({ width }: Look): Promise<void> => {
    await call("browsingContext.setViewport", {
      context,
      viewport: { width, height: 900 },
      devicePixelRatio: 1,
    });
  };
  await look(first);
  await call("browsingContext.navigate", { context, url, wait: "complete" });
  return {
    requests,
    complaints,
    look,
    async evaluate(expression) {
      const answer = await call("script.evaluate", {
        expression: `(async () => JSON.stringify(await (${expression})))()`,
        target: { context },
        awaitPromise: true,
      });
      if (answer["type"] === "exception") throw new Error(JSON.stringify(answer["exceptionDetails"]));
      const { value } = answer["result"] as { readonly value?: string };
      return value === undefined ? undefined : (JSON.parse(value) as unknown);
    },
    ...keyboard(call, context),
    async picture() {
      const { data } = await call("browsingContext.captureScreenshot", { context, origin: "document" });
      return Buffer.from(String(data), "base64");
    },
    async close() {
      listeners.delete(listen);
      await call("browsingContext.close", { context });
    },
  };
}
