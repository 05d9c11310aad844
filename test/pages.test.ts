/**
 * Every page that Sinter writes or serves, in Chromium: readable at three widths, in light and dark, by the
 * keyboard and by those who do not see it (axe-core), without a network. Without a Chromium the tests are
 * skipped, and say so. PICTURES=DIR writes a picture of each.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
import { openBrowser } from "./support/chromium-page.ts";
import { inspect, looks } from "./support/inspect-page.ts";
import { stepEvents } from "./support/logged-runs.ts";
import { inProject } from "./support/paths.ts";

const missing = chromiumMissing();
const folder = mkdtempSync(join(tmpdir(), "sinter-pages-"));

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
