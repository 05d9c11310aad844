/**
 * Every page that Sinter writes or serves, in Chromium: readable at three widths, in light and dark, by the
 * keyboard and by those who do not see it (axe-core), without a network. Without a Chromium the tests are
 * skipped, and say so. PICTURES=DIR writes a picture of each.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWatch } from "../app/watch/watch.ts";
import { chromiumMissing } from "../bench/measure/chromium.ts";
import { benchPage } from "../bench/report/bench-page.ts";
import { pageScript } from "../runtime/node/page-script.ts";
import { comparePage } from "../runtime/report/compare/compare-page.ts";
import type { ComparedRun } from "../runtime/report/compare/compared-run.ts";
import { logRows } from "../runtime/report/log-rows.ts";
import { htmlReport } from "../runtime/report/training-page.ts";
import type { TrainEvent } from "../runtime/train/events.ts";
import { benchSample } from "./support/bench-sample.ts";
import { chainOf } from "./support/chain-events.ts";
import { openBrowser, type OpenPage } from "./support/chromium-page.ts";
import { stepEvents } from "./support/logged-runs.ts";
import { inProject } from "./support/paths.ts";

const missing = chromiumMissing();
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "sinter-pages-"));
const pictures = process.env["PICTURES"];

const { base, sft, rl } = chainOf(200);
const settings = new Map(
  Object.entries({ lr: "0.003", "train.simd.wasm": "cde40aae73c0", objective: "<b>" }),
);
const of = { parameters: 804_096, target: "wide", workers: 2, kl: 0.2, settings };
const experts: TrainEvent = {
  kind: "experts",
  step: 200,
  name: "mixture",
  shares: [0, 1, 2].map((layer) => Array.from({ length: 16 }, (_, e) => ((e * 7 + layer) % 16) / 120)),
};
const name = "a-name-without-any-blank-in-it-that-is-much-longer-than-a-telephone-is-wide<b>";
const sample: TrainEvent = { kind: "sample", step: 200, prompt: "", text: `<img src=x>${"long".repeat(99)}` };

const compared = (stage: typeof base, more: Partial<ComparedRun>): ComparedRun => {
  const events = more.events ?? [...stage.events, sample];
  const own = new Map([["lr", String(events.length)]]);
  const known = { name: "a", folder: "/a", facts: stage.facts, damaged: 0, state: "done" } as const;
  return { ...known, settings: own, ...more, events, rows: logRows(events) };
};
const runs = [
  compared(base, { name: "base" }),
  compared(base, { name, events: [...stepEvents(90), sample], state: "in progress", damaged: 2 }),
  compared(rl, { name: "rl" }),
  compared(base, { name: "nothing yet", events: [], state: "began" }),
];

/** What stands alone: it may ask for nothing at all. */
const alone: Readonly<Record<string, () => string>> = {
  report: () => htmlReport({ ...base.facts, ...of, model: name }, [...base.events, experts, sample]),
  chain: () => htmlReport({ ...rl.facts, ...of }, rl.events, [base, sft]),
  begun: () => htmlReport({ ...base.facts, ...of }, []),
  compare: () => comparePage(runs, pageScript("compare")),
  bench: () => benchPage(benchSample),
};
/** What asks its server: here without one. */
const served = { example: "runtime/browser/example.html", chat: "app/server/chat-page.html" };

const skipped = missing === undefined ? "" : ` (skipped: ${missing})`;
let browser: Awaited<ReturnType<typeof openBrowser>>;
beforeAll(async () => {
  if (missing === undefined) browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const looks = [
  { width: 360, scheme: "light", axe: true },
  { width: 360, scheme: "dark", axe: true },
  { width: 768, scheme: "light", axe: false },
  { width: 768, scheme: "dark", axe: false },
  { width: 1440, scheme: "light", axe: false },
  { width: 1440, scheme: "dark", axe: false },
] as const;

/** What axe finds wrong: rule, and the elements. */
const FLAWS = `axe.run().then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ": " + nodes.map((n) => n.html.slice(0, 200)).join(" ")))`;
/** In a page: how many pixels a text is high, and the contrast of two colours (WCAG 2.2). */
const measures = `
  const heightOf = (e) => {
    const drawn = e.getScreenCTM?.();
    return parseFloat(getComputedStyle(e).fontSize) * (drawn ? Math.hypot(drawn.a, drawn.b) : 1);
  };
  const lightOf = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => {
    const [dark, bright] = [lightOf(a), lightOf(b)].sort((x, y) => x - y);
    return (bright + 0.05) / (dark + 0.05);
  };`;
/**
 * Texts smaller than 11 pixels; texts of drawings, which axe does not look at, with a contrast below 4.5 : 1;
 * how far the page can be scrolled sideways.
 */
const LAYOUT = `(() => {${measures}
  const { scrollWidth, clientWidth } = document.documentElement;
  const hasText = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== "");
  const background = (e) => getComputedStyle(e.closest("section")).backgroundColor;
  const said = (elements) => elements.map((e) => e.outerHTML.slice(0, 100));
  const seen = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && hasText(e));
  const drawn = seen.filter((e) => e.matches("section svg text"));
  return {
    small: said(seen.filter((e) => heightOf(e) < 11)),
    faint: said(drawn.filter((e) => contrast(getComputedStyle(e).fill, background(e)) < 4.5)),
    wide: scrollWidth - clientWidth,
  };
})()`;

/** Opens every <details>, so that what is in it is looked at as well. */
const OPEN = `document.querySelectorAll("details").forEach((each) => (each.open = true))`;

async function inspect(page: OpenPage, title: string): Promise<void> {
  await page.evaluate(OPEN);
  await page.evaluate(axe);
  for (const look of looks) {
    const where = `${title} at ${look.width}, ${look.scheme}`;
    await page.look(look);
    expect.soft(await page.evaluate(LAYOUT), where).toEqual({ small: [], faint: [], wide: 0 });
    if (look.axe) expect.soft(await page.evaluate(FLAWS), where).toEqual([]);
    if (pictures === undefined) continue;
    mkdirSync(pictures, { recursive: true });
    writeFileSync(join(pictures, `${title}-${look.width}-${look.scheme}.png`), await page.picture());
  }
}

describe.skipIf(missing !== undefined)(`in Chromium${skipped}`, () => {
  test.each(Object.entries(alone))("%s is readable everywhere, and asks for nothing", async (title, html) => {
    const path = join(folder, `${title}.html`);
    writeFileSync(path, html());
    const page = await browser.open(pathToFileURL(path).href, looks[0]);
    await inspect(page, title);
    expect({ requests: page.requests, complaints: page.complaints }).toEqual({
      requests: [],
      complaints: [],
    });
    await page.close();
  });

  test.each(Object.entries(served))("%s is readable everywhere", async (title, path) => {
    const page = await browser.open(pathToFileURL(inProject(path)).href, looks[0]);
    await inspect(page, title);
    await page.close();
  });

  test("a comparison is read by the keyboard: runs, smoothing, axis, logarithm, values", async () => {
    const path = join(folder, "keys.html");
    writeFileSync(path, comparePage(runs, pageScript("compare")));
    const page = await browser.open(pathToFileURL(path).href, looks[5]);
    const curves = (): Promise<unknown> =>
      page.evaluate(`document.querySelectorAll('[data-figure="0"] .curve:not(.unsmoothed)').length`);
    const focus = async (selector: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await page.press("Tab");
        if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
      }
      throw new Error(`no number of tabs leads to ${selector}`);
    };
    expect(await curves()).toBe(3);
    await focus("input[name=run]");
    await page.press(" ");
    expect(await curves()).toBe(2);
    await focus("input[name=axis]");
    await page.press("ArrowRight");
    expect(await page.evaluate(`document.querySelector(".steps").textContent`)).toBe("tokens");
    await focus("input[name=smoothing]");
    await page.press("End");
    expect(await page.evaluate(`document.querySelector("#view output").textContent`)).toBe("50 %");
    await focus("input[name=logarithmic]");
    await page.press(" ");
    await focus(".plot");
    await page.press("End");
    const read = (): Promise<unknown> =>
      page.evaluate(`document.activeElement.querySelector(".reading").innerText`);
    expect(await read()).toMatch(/^tokens 140000\n– a-name-without[^\n]*<b>\n\d\.\d+ rl$/);
    await page.press("Home");
    expect(await read()).toMatch(/^tokens \d+\n/);
    await page.press("Escape");
    expect(await read()).toBe("");
    expect(page.complaints).toEqual([]);
    await page.close();
  });

  test("a report that is served follows the run, and says when it has ended", async () => {
    const watch = await startWatch(
      { facts: { ...base.facts, ...of }, earlier: [], events: stepEvents(3), port: 0 },
      () => {},
    );
    const page = await browser.open(watch.url, looks[0]);
    const seen = (text: string): Promise<void> =>
      expect.poll(() => page.evaluate("document.body.innerText"), { timeout: 20_000 }).toContain(text);
    await seen("step\n3");
    for (const event of stepEvents(77).slice(3)) watch.add(event);
    await seen("step\n77");
    await watch.end("done");
    await seen("the run has ended: done");
    expect(page.requests.filter((asked) => !asked.startsWith(watch.url))).toEqual([]);
    expect(page.complaints).toEqual([]);
    await page.close();
  });
});
