/**
 * The panel that looks into the model which is being trained: a text as tokens, heads as maps, the next token
 * with a head switched off, a neuron; at every width, and nothing leaves the tab.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { inspect } from "../support/inspect-page.ts";

const { url } = inject("page");
const missing = chromiumMissing();
const PATIENCE = { timeout: 60_000 };

describe.skipIf(missing !== undefined)(`in Chromium${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let page: OpenPage;
  const of = (expression: string): Promise<unknown> => page.evaluate(expression);
  const all = (selector: string): string => `[...document.querySelectorAll(${JSON.stringify(selector)})]`;
  const click = (selector: string): Promise<unknown> =>
    of(`document.querySelector(${JSON.stringify(selector)}).click()`);
  const tokens = `${all(".inside .token-list button")}.map((b) => b.textContent)`;
  const next = ".inside svg[aria-label^='The next token']";
  const bars = `document.querySelector(${JSON.stringify(next)}).getAttribute("aria-label")`;

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.open(url, { width: 1440, scheme: "light" });
    await click("[role=tab][data-panel=inside]");
  });
  afterAll(async () => browser?.close());

  test("without a model it leads to training, and then shows how the training text begins", async () => {
    const toTrain = `${all(".inside .card button")}.map((b) => b.textContent)`;
    await expect.poll(() => of(toTrain), PATIENCE).toEqual(["Go to training"]);
    await click(".inside .card button");
    await expect.poll(() => of(`${all("#panel-train button.main")}.length`), PATIENCE).toBe(1);
    await click("#panel-train button.main");
    await expect
      .poll(() => of(`document.querySelector("#panel-train progress").value`), PATIENCE)
      .toBeGreaterThan(0.05);
    await click("[role=tab][data-panel=inside]");
    await expect.poll(() => of(`${tokens}.length`), PATIENCE).toBeGreaterThan(20);
    const said = `document.querySelector(".inside .soft").textContent`;
    const step = `Number(/[\\d,]+/.exec(${said})[0].replace(",", ""))`;
    const before = (await of(step)) as number;
    await expect.poll(() => of(step), PATIENCE).toBeGreaterThan(before); // it learns, and is looked at again
  });

  test("a text that is typed becomes tokens; a head of it is chosen by keys, and switched off", async () => {
    await of(`document.querySelector(".inside textarea").focus()`);
    await page.press("Control+a");
    await page.type("the cat é");
    const wanted = [..."the␣cat␣"].map((c) => `${c}${c === "␣" ? 32 : c.charCodeAt(0)}`);
    await expect.poll(() => of(tokens), PATIENCE).toEqual([...wanted, "<C3>195", "<A9>169"]);
    expect(await of(`${all(".all-heads button")}.length`)).toBe(16);
    await of(`${all(".all-heads button")}[5].focus()`);
    await page.press("Enter");
    await page.press(" ");
    const title = `document.querySelector(".inside .attention").previousElementSibling.textContent`;
    await expect.poll(() => of(title), PATIENCE).toBe("Layer 1, head 1");
    expect(await of(`document.activeElement.dataset.key`)).toBe("1:1");
    expect(await of(`document.querySelector(".looks-at").textContent`)).toMatch(
      /^<A9> looks at .+ \(\d+ %\)/,
    );
    expect(await of(bars)).toMatch(/^The next token: .+ %/);
    await click(".inside input[type=checkbox]");
    const marks = `${all(".inside svg title")}.filter((t) => t.textContent.startsWith("before")).length`;
    await expect.poll(() => of(marks), PATIENCE).toBeGreaterThan(5);
  });

  test("a token has neighbours and neurons; what excites one is found in the training text", async () => {
    await click(".inside .token-list button");
    const known = `document.querySelector(".token-part .known h2").textContent`;
    await expect.poll(() => of(known), PATIENCE).toBe("The token t, number 116");
    expect(await of(`${all(".known .token-list li")}.length`)).toBe(8);
    await click(".known .link");
    await expect.poll(() => of(`${all(".token-part .card button")}.length`), PATIENCE).toBe(1);
    await click(".token-part .card button");
    await expect.poll(() => of(`${all(".excited li")}.length`), PATIENCE).toBe(8);
  });

  test("it can be read at every width; nothing was asked of others, no policy was broken", async () => {
    await inspect(page, "inside");
    expect(page.requests.filter((asked) => !asked.startsWith(url) && !asked.startsWith("blob:"))).toEqual([]);
    expect(page.complaints).toEqual([]);
  });
});
