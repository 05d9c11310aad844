/**
 * The page on a host that sends no headers, as most do: it works with one thread, gets all of them by a
 * button, and opens without a network once it was there.
 */
import { once } from "node:events";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { startPageServer } from "../../runtime/node/page-server.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { until } from "../support/until.ts";

const look = { width: 1280, scheme: "light" } as const;

const isChecked = `document.querySelector("#status .name")?.textContent === "quickstart"`;

/** Resolves when the page has been loaded once more. */
async function reloaded(page: OpenPage): Promise<void> {
  await page.evaluate("globalThis.isBefore = true");
  for (;;) {
    const isBefore = await page.evaluate("globalThis.isBefore ?? false").catch(() => true); // on its way
    if (!isBefore) return;
    await new Promise((done) => setTimeout(done, 100));
  }
}

let browser: Awaited<ReturnType<typeof openBrowser>>;
beforeAll(async () => {
  if (!chromiumMissing()) browser = await openBrowser();
});
afterAll(() => browser?.close());

test.skipIf(chromiumMissing())("opens without a network, and has shared memory when asked for", async () => {
  const { url, server } = await startPageServer({ folder: inject("page").folder, port: 0, isolated: false });
  const first = await browser.open(url, look);
  await until(first, isChecked);
  expect(await first.evaluate("crossOriginIsolated")).toBe(false);
  await until(first, "navigator.serviceWorker.controller");
  await first.evaluate("document.getElementById('tab-train').click()");
  await until(first, "document.querySelector('.settings .field > button')");
  // it loads the page again, and with it what is asked here goes
  await first.evaluate("setTimeout(() => document.querySelector('.settings .field > button').click(), 100)");
  await reloaded(first);
  expect(await first.evaluate("crossOriginIsolated")).toBe(true);
  expect(await first.evaluate("new SharedArrayBuffer(8).byteLength")).toBe(8);
  await first.close();

  server.close();
  server.closeAllConnections();
  await once(server, "close");
  const offline = await browser.open(url, look);
  await until(offline, isChecked);
  expect(await offline.evaluate("document.querySelector('.editor-host') !== null")).toBe(true);
  expect(await offline.evaluate("crossOriginIsolated")).toBe(true);
  expect(offline.complaints).toEqual([]);
  await offline.close();
});
