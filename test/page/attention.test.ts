/**
 * The sentence about the cat and the mat, trained in the tab: "it" looks at the noun that is meant, and the
 * next word is about that noun as long as the head is on.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { browsers, skippedFor } from "../support/browsers.ts";
import type { OpenPage } from "../support/chromium-page.ts";

const { url } = inject("page");
const PATIENCE = { timeout: 120_000, interval: 500 };

for (const tried of browsers)
  describe.skipIf(tried.missing !== undefined)(`in ${tried.name}${skippedFor(tried.missing)}`, () => {
    let browser: Awaited<ReturnType<typeof tried.open>>;
    let page: OpenPage;
    const of = (expression: string): Promise<unknown> => page.evaluate(expression);
    const click = (selector: string, said = ""): Promise<unknown> =>
      of(`[...document.querySelectorAll(${JSON.stringify(selector)})]
      .find((each) => each.textContent.includes(${JSON.stringify(said)})).click()`);
    const looksAt = `document.querySelector(".looks-at")?.textContent`;
    const next = ".inside svg[aria-label^='The next token']";
    const bars = `document.querySelector(${JSON.stringify(next)}).getAttribute("aria-label")`;

    beforeAll(async () => {
      browser = await tried.open();
      page = await browser.open(url, { width: 1440, scheme: "light" });
    });
    afterAll(async () => browser?.close());

    test("it learns in the tab", async () => {
      await click("[role=tab][data-panel=train]");
      const examples = `document.querySelectorAll("#panel-train button").length`;
      await expect.poll(() => of(examples), PATIENCE).toBeGreaterThan(5);
      await click("#panel-train button", "The cat and the mat");
      await expect.poll(() => of(`document.getElementById("status").textContent`), PATIENCE).toMatch(/^it/);
      await click("#panel-train button.main");
      const learnt = `document.querySelector("#panel-train progress").value`;
      await expect.poll(() => of(learnt), PATIENCE).toBeGreaterThan(0.6);
      await click("#panel-train button.main"); // pauses
      await click("[role=tab][data-panel=inside]");
    });

    test("who was tired, the cat, is looked at; who was woven, the mat", async () => {
      await expect.poll(() => of(looksAt), PATIENCE).toMatch(/^␣it looks at ␣cat \((?:[6-9]\d|100) %\)/);
      await of(`document.querySelector(".inside textarea").focus()`);
      await page.press("Control+a");
      await page.type("Because one of them was woven, the cat sat on the mat, and it");
      await expect.poll(() => of(looksAt), PATIENCE).toMatch(/^␣it looks at ␣mat \((?:[6-9]\d|100) %\)/);
    });

    test("with the head switched off, the next word is another one", async () => {
      const likeliest = (said: unknown): string => /: (\S+) /.exec(String(said))![1]!;
      const before = likeliest(await of(bars));
      await click(".inside input[type=checkbox]");
      await expect.poll(async () => likeliest(await of(bars)), PATIENCE).not.toBe(before);
    });
  });
