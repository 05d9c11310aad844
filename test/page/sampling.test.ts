/** A text is drawn in the page token by token, by keys alone, from a model of whole words. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { inspect } from "../support/inspect-page.ts";
import { openTraining, press, setNumber, until, untilSaid } from "./training-page.ts";

const STEPS = 60;
const TOKENS = 6;

let browser: Awaited<ReturnType<typeof openBrowser>>;
let page: OpenPage;
beforeAll(async () => {
  if (chromiumMissing()) return;
  browser = await openBrowser();
  page = await browser.open(inject("page").url, { width: 1440, scheme: "light" });
});
afterAll(() => browser?.close());

const textOf = (selector: string): Promise<unknown> =>
  page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);

test.skipIf(chromiumMissing())(
  "a number is drawn, falls into a token's slice, and the text grows",
  async () => {
    await openTraining(page);
    await until(page, `document.querySelector(".train .example")`);
    await page.evaluate(`[...document.querySelectorAll(".train .example")]
    .find((each) => each.textContent.startsWith("Word by word")).click()`);
    await setNumber(page, 1, STEPS);
    await press(page, 0);
    await untilSaid(page, /^Done/);

    await page.evaluate(`document.querySelector("#tab-sampling").click()`);
    await until(page, `document.querySelector(".sampling .one-by-one button.main")?.disabled === false`);
    await page.evaluate(`document.querySelector(".sampling .one-by-one button.main").focus()`);
    const begun = await textOf(".sampling .text");
    for (let n = 0; n < TOKENS; n++) {
      await page.press(" "); // a number is drawn
      await until(page, `document.querySelector(".interval .pointer")`);
      const said = /^(0\.\d{4}) falls into the slice of “(.+)”, from (\S+) to (\S+)\.$/.exec(
        (await textOf(".sampling .said")) as string,
      )!;
      const [u, from, to] = [said[1], said[3], said[4]].map(Number) as [number, number, number];
      expect(from <= u && u <= to, said[0]).toBe(true);
      expect(await textOf(".token-rows .is-drawn code")).toBe(said[2]);
      if (n === TOKENS - 1) await inspect(page, "sampling");
      await page.press(" "); // its token is appended
      await until(
        page,
        `document.querySelectorAll(".sampling .token").length === ${n + 1} &&
      !document.querySelector(".interval .pointer")`,
      );
      expect(await textOf(".sampling .token:last-of-type")).toBe(
        said[2]!.replace("␣", " ").replace("⏎", "⏎\n"),
      );
    }
    expect(((await textOf(".sampling .text")) as string).startsWith(begun as string)).toBe(true);
    expect(page.complaints).toEqual([]);
  },
);
