/** A link that was made in one browser gives the same loss in the other, to its last digit. */
import { readFileSync } from "node:fs";
import { expect, inject, test } from "vitest";
import { fragmentOf, readFragment, type Pinned } from "../../app/playground/share/link.ts";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { firefoxMissing, openFirefox } from "../support/firefox-page.ts";
import { inspect } from "../support/inspect-page.ts";
import { inProject } from "../support/paths.ts";
import { until } from "../support/until.ts";

const look = { width: 1280, scheme: "light" } as const;

interface Trained {
  /** What the page says of the promise. */
  readonly verdict: string;
  readonly said: string;
  /** The link that the page shares then. */
  readonly pinned: Pinned;
}

/** Trains what a link pins. */
async function trained(page: OpenPage): Promise<Trained> {
  await until(page, "document.querySelector('#status .name')");
  await page.evaluate("document.getElementById('tab-train').click()");
  await until(page, "document.querySelector('.controls .main')");
  await page.evaluate("document.querySelector('.controls .main').click()");
  await until(page, "document.querySelector('.notice:not([hidden]) :is(.kept, .broken, .changed)')");
  const [verdict, said] = (await page.evaluate(
    "[...document.querySelectorAll('.notice p[class]')].flatMap((p) => [p.className, p.textContent])",
  )) as [string, string];
  await page.evaluate("document.getElementById('share').click()");
  await until(
    page,
    "document.querySelector('#share').textContent !== 'Share' || !document.querySelector('.notice p[class]')",
  );
  const link = await readFragment(String(await page.evaluate("location.hash")));
  if (link.kind !== "pinned") throw new Error(`the page shares a link that is ${link.kind}`);
  return { verdict, said, pinned: link.pinned };
}

const experiment = {
  example: "flowers",
  data: { kind: "own", name: "birds", text: "robin\nwren\nheron\nfinch\nlark\ncrane\nswift\n".repeat(20) },
  seed: 7,
  steps: 300,
  moves: [{ step: 100, setting: "lr", to: 1e-3 }],
} as const;

test.skipIf(chromiumMissing() ?? firefoxMissing())(
  "the other browser comes to the promised loss",
  async () => {
    const { url } = inject("page");
    const spec = readFileSync(inProject("specs/names.sinter"), "utf8");
    const asked = await fragmentOf({ spec, experiment, target: "simd", version: "0.0.0", loss: "1.5" });

    const chromium = await openBrowser();
    const first = await chromium.open(url + asked, look);
    const made = await trained(first);
    expect(made.verdict).toBe("broken");
    expect(made.pinned).toMatchObject({ spec, experiment, target: "simd" });
    expect(made.said).toContain(made.pinned.loss);
    const shared = String(await first.evaluate("location.href"));
    await chromium.close();

    const firefox = await openFirefox();
    const second = await firefox.open(shared, look);
    const again = await trained(second);
    expect(again.verdict).toBe("kept");
    expect(again.pinned).toEqual(made.pinned);
    expect([...first.complaints, ...second.complaints]).toEqual([]);
    await firefox.close();
  },
);

test.skipIf(chromiumMissing())(
  "a damaged link is said to be one, and the page begins as always",
  async () => {
    const browser = await openBrowser();
    const page = await browser.open(`${inject("page").url}#v1.AAAA`, look);
    await until(page, "document.querySelector('.notice:not([hidden])')");
    await until(page, "document.querySelector('#status .name')?.textContent === 'quickstart'");
    await inspect(page, "link");
    await browser.close();
  },
);
