/**
 * What the page shows of a model before anything runs: its structure, its kernels, what it costs. Drawings
 * and numbers are tested without a browser; here they are used, by keys, and follow the editor.
 */
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { inspect } from "../support/inspect-page.ts";
import { shippedSpec } from "../support/paths.ts";

const { url } = inject("page");
const missing = chromiumMissing();

describe.skipIf(missing !== undefined)(`in Chromium${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let page: OpenPage;
  const open = async (panel: string, sign: string): Promise<void> => {
    await page.evaluate(`document.getElementById("tab-${panel}").click()`);
    await there(sign);
  };
  const count = (selector: string): Promise<unknown> =>
    page.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  const there = (selector: string): Promise<void> =>
    vi.waitFor(async () => expect(await count(selector), selector).toBeGreaterThan(0), { timeout: 20_000 });
  const text = (selector: string): Promise<unknown> =>
    page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);
  const focus = (selector: string): Promise<unknown> =>
    page.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`);
  const CONTENT = `document.querySelector("#editor > *").shadowRoot.querySelector(".cm-content")`;
  const write = async (spec: string): Promise<void> => {
    await page.evaluate(`${CONTENT}.focus()`);
    await page.press("Control+a");
    await page.type(spec);
  };

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.open(url, { width: 1440, scheme: "light" });
    await page.evaluate(`new Promise((done) => setTimeout(done, 500))`);
  });
  afterAll(async () => browser?.close());

  test("structure: rooms close by keys, arrows go from kernel to kernel, labels have room", async () => {
    await open("structure", ".rooms [data-kernel]");
    expect(await text(".structure .numbers")).toContain("829,696");
    const before = await count("[data-kernel]");
    await focus("[data-header=layer]");
    await page.press("Enter");
    await vi.waitFor(async () => expect(await count("[data-kernel]")).toBeLessThan(before as number));
    expect(await page.evaluate(`document.activeElement.getAttribute("data-header")`)).toBe("layer");
    await page.press("Enter");
    await vi.waitFor(async () => expect(await count("[data-kernel]")).toBe(before));
    await focus(".rooms [data-kernel][tabindex='0']");
    await page.press("ArrowDown");
    await page.press("ArrowDown");
    expect(await text(".kernel-card h3")).toBe("matmul");
    expect(await text(".kernel-card .quoted")).toBe("attention(layernorm(x))");
    const tooWide = `[...document.querySelectorAll(".drawing g > text")].filter((label) => {
      const box = label.parentElement.querySelector("rect")?.getBoundingClientRect();
      return box && label.getBoundingClientRect().right > box.right + 1;
    }).map((label) => label.textContent)`;
    expect(await page.evaluate(tooWide)).toEqual([]);
    await open("kernels", ".kernel-code pre");
    await open("cost", ".cost .article");
    expect(page.complaints).toEqual([]); // nothing that a panel draws is against the page's policy
    await open("structure", ".rooms [data-kernel]");
  });

  test("structure follows the text: a wrong one leaves the last answer as it is", async () => {
    const tiny = shippedSpec("tiny");
    await write(tiny.replace("heads 2", "heads 3"));
    await there(".structure.earlier");
    expect(await text(".structure .numbers")).toContain("829,696");
    await write(tiny);
    await vi.waitFor(async () => expect(await count(".structure.earlier")).toBe(0), { timeout: 20_000 });
    await vi.waitFor(async () => expect(await text("[data-header=layer]")).toContain("× 2"), {
      timeout: 20_000,
    });
  });

  test("the cursor's line lights up its kernels, here and in their code", async () => {
    const toLine = `[...document.querySelectorAll(".structure table button")]
      .find((button) => button.textContent === "mlp").click()`;
    await page.evaluate(toLine);
    expect(await page.evaluate("document.activeElement.matches('.editor-host')")).toBe(true);
    await there(".rooms [data-kernel].lit");
    expect(await page.evaluate(`document.querySelector(".lit").getAttribute("data-part")`)).toBe("layer/mlp");
    await open("kernels", ".kernel-list h2.lit");
    expect(await text(".kernel-list h2.lit")).toContain("mlp(");
    expect(await text(".kernel-code pre")).toMatch(/function matmul_/);
    await focus(".kernels input[type=search]");
    await page.type("adamw");
    await vi.waitFor(async () => expect(await count(".kernel-list li")).toBeLessThan(5));
  });

  test("cost: a slider by keys, a row of the table in the editor", async () => {
    await open("cost", ".cost .article tbody tr");
    expect(await count(".cost .article tbody tr")).toBe(9);
    expect(await text(".cost .article")).toContain("405,853,388,800");
    const own = await text(".cost .numbers dd");
    await focus(".cost .slider input");
    for (let i = 0; i < 3; i++) await page.press("ArrowRight");
    await vi.waitFor(async () => expect(await text(".cost .numbers dd")).not.toBe(own));
    expect(await page.evaluate(`document.activeElement.type`)).toBe("range");
    await page.evaluate(`document.querySelectorAll(".cost .article button")[4].click()`);
    await vi.waitFor(async () => expect(await text("#status")).toMatch(/^llama3-8b/), { timeout: 20_000 });
    await vi.waitFor(async () => expect(await text(".cost .numbers dd")).toBe("8,030,261,248"));
    await vi.waitFor(async () => expect(await count(".cost .choices tbody tr")).toBeGreaterThan(3));
    expect(await text(".cost .choices")).toMatch(/shard 4.* % memory/);
  });

  test("they can be read at every width, in light and dark", async () => {
    for (const panel of ["structure", "kernels", "cost"]) {
      await page.evaluate(`document.getElementById("tab-${panel}").click()`);
      await page.evaluate(`new Promise((done) => setTimeout(done, 500))`);
      await inspect(page, panel);
    }
  });
});
