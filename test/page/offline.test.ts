/**
 * The page on a host that sends no headers, as most do: it works with one thread, gets all of them by a
 * button, and opens without a network once it was there.
 */
import { once } from "node:events";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { startPageServer } from "../../runtime/node/page-server.ts";
import { openBrowser } from "../support/chromium-page.ts";
import { until } from "../support/until.ts";

const look = { width: 1280, scheme: "light" } as const;

const isChecked = `document.querySelector("#status .name")?.textContent === "quickstart"`;

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
  await first.close();

  server.close();
  server.closeAllConnections();
  await once(server, "close");
  const offline = await browser.open(url, look);
  await until(offline, isChecked);
  expect(await offline.evaluate("document.querySelector('.editor-host') !== null")).toBe(true);
  expect(offline.complaints).toEqual([]);
  await offline.close();
});
