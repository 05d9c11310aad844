/**
 * Every panel as it is before anything was done: opened by keys, readable at every width in light and dark,
 * in both languages, and with nothing to complain of. PICTURES=DIR writes pictures.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { texts, type TextKey } from "../../app/playground/texts/texts.ts";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { inspect } from "../support/inspect-page.ts";

const { url, folder, missing: unbuilt } = inject("page");
const missing = unbuilt ?? chromiumMissing();
const html = unbuilt === undefined ? readFileSync(join(folder, "index.html"), "utf8") : "";
/** Those that have a tab. */
const ids = [...html.matchAll(/data-panel="([a-z]+)" data-text="(tab\.[a-z]+)"/g)].map(
  ([, id, tab]) => [id!, tab as TextKey] as const,
);

describe.skipIf(missing)(`in Chromium${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let page: OpenPage;
  const here = `document.querySelector("[role=tabpanel]:not([hidden])")`;
  const settled = (id: string): Promise<void> =>
    vi.waitFor(
      async () => {
        const state = await page.evaluate(
          `[${here}.id, ${here}.querySelector(":scope > .opening") === null]`,
        );
        expect(state).toEqual([`panel-${id}`, true]);
      },
      { timeout: 30_000 },
    );

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.open(url, { width: 1440, scheme: "light" });
    await page.evaluate(`document.querySelector("[role=tab][aria-selected=true]").focus()`);
    await page.press("Home");
  });
  afterAll(async () => browser?.close());

  test.each(ids)("%s", async (id, tab) => {
    await settled(id);
    await inspect(page, id);
    await page.look({ width: 1440, scheme: "light" });
    const choose = (language: string): string => `(() => {
      const choice = document.getElementById("language");
      choice.value = "${language}";
      choice.dispatchEvent(new Event("change"));
      return document.getElementById("tab-${id}").textContent;
    })()`;
    expect(await page.evaluate(choose("nl"))).toBe(texts[tab].nl);
    expect(await page.evaluate(choose("en"))).toBe(texts[tab].en);
    expect(page.complaints.filter((said) => !said.includes("inline style"))).toEqual([]); // axe tries that
    await page.evaluate(`document.getElementById("tab-${id}").focus()`);
    await page.press("ArrowRight");
  });
});
