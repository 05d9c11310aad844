/** What reaches weights or tokens has the same bits in Node, in Chromium and in Firefox. */
import { createHash } from "node:crypto";
import { expect, inject, test } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import * as exactMath from "../../runtime/contract/exact-math.ts";
import * as exponential from "../../runtime/contract/exp.ts";
import * as power from "../../runtime/contract/power.ts";
import { normalQuantile } from "../../runtime/engine/init.ts";
import { startPageServer } from "../../runtime/node/page-server.ts";
import { openBrowser } from "../support/chromium-page.ts";
import { firefoxMissing, openFirefox } from "../support/firefox-page.ts";

const COUNT = 20_000;
const LAST = 8 * COUNT;

/** Of arguments that are the same everywhere: multiples of a fraction of two. It runs in pages too. */
function results(
  { cos, sin, log }: typeof exactMath,
  { exp, ln }: typeof exponential,
  { pow }: typeof power,
  quantile: typeof normalQuantile,
  count: number,
): Float64Array<ArrayBuffer> {
  const found = new Float64Array(8 * count);
  for (let i = 0; i < count; i++) {
    const x = (i + 0.5) / 1024;
    const p = (i + 0.5) / count;
    found.set([cos(x), sin(x), log(x), ln(x), exp(-x), exp(x), pow(x, p), quantile(p)], 8 * i);
  }
  return found;
}

const expression = `(async () => {
  const from = (name) => import("/sinter/" + name + ".js");
  const [a, b, c, d] = await Promise.all(
    ["contract/exact-math", "contract/exp", "contract/power", "engine/init"].map(from));
  const found = (${String(results)})(a, b, c, d.normalQuantile, ${COUNT});
  const hash = await crypto.subtle.digest("SHA-256", found);
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
})()`;

test.skipIf(chromiumMissing() ?? firefoxMissing())(
  "functions of our own are the same in every engine",
  async () => {
    const here = results(exactMath, exponential, power, normalQuantile, COUNT);
    expect(here).toHaveLength(LAST);
    expect(here.every(Number.isFinite)).toBe(true);
    const hash = createHash("sha256").update(here).digest("hex");
    const { url, server } = await startPageServer({ folder: inject("page").folder, port: 0 });
    for (const open of [openBrowser, openFirefox]) {
      const browser = await open();
      const page = await browser.open(url, { width: 800, scheme: "light" });
      expect(await page.evaluate(expression)).toBe(hash);
      await browser.close();
    }
    server.close();
    server.closeAllConnections();
  },
);
