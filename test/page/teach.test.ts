/**
 * A model is taught in the page by keys alone: 60 noisy choices of a program that likes kind words. What it
 * has learnt is repeated in Node from the file that the page gives, to the same bits (experiment X19).
 */
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import {
  meanHiddenScore,
  measuredAgreement,
  noisyChoice,
  replayed,
  stageBundles,
} from "../../app/studies/posttraining/teach.ts";
import { firstLesson } from "../../app/teaching/lessons.ts";
import { readChoices } from "../../runtime/train/examples/feedback.ts";
import { browsers } from "../support/browsers.ts";
import type { OpenPage } from "../support/chromium-page.ts";
import { until } from "../support/until.ts";

const CLICKS = 60;
const keys = { a: "ArrowLeft", b: "ArrowRight", tie: "ArrowUp", both_bad: "ArrowDown" } as const;

let page: OpenPage;

const click = (selector: string): Promise<unknown> =>
  page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
const hash = (name: string): Promise<unknown> =>
  page.evaluate(`document.querySelector(".teach [data-hash=${name}]")?.textContent`);

interface Shown {
  readonly question: string;
  readonly answers: readonly [string, string];
}

async function shownPair(): Promise<Shown> {
  await until(page, `!document.querySelector(".teach [data-choice=a]").disabled`);
  const shown = await page.evaluate(`(() => {
    const texts = [...document.querySelectorAll(".teach-card p")].map((one) => one.textContent);
    return { question: document.querySelector(".teach-question").textContent, answers: texts };
  })()`);
  return shown as Shown;
}

/** What the page gives to save when a button is pressed. */
async function savedFile(selector: string): Promise<Uint8Array> {
  const text = await page.evaluate(`(async () => {
    const make = URL.createObjectURL;
    const given = new Promise((done) => (URL.createObjectURL = (blob) => (done(blob), make(blob))));
    document.querySelector(${JSON.stringify(selector)}).click();
    URL.createObjectURL = make;
    return (await given).text();
  })()`);
  return new TextEncoder().encode(text as string);
}

describe.each(browsers)("$name", (tried) => {
  let browser: Awaited<ReturnType<typeof tried.open>>;
  beforeAll(async () => {
    if (tried.missing) return;
    browser = await tried.open();
    page = await browser.open(inject("page").url, { width: 1280, scheme: "light" });
  });
  afterAll(() => browser?.close());

  test.skipIf(tried.missing)(
    "60 noisy choices teach a taste, which Node repeats to the same bits",
    async () => {
      await click("[data-panel=teach]");
      await until(page, `document.querySelector(".teach button.main")`);
      await click(".teach section:first-of-type button.main");
      await until(page, `document.querySelector(".teach [data-hash=taught]")`);
      const right = await page.evaluate(
        `[...document.querySelectorAll(".teach-answers td:last-child")].map((one) => one.textContent)`,
      );
      const { heldOut, pairs } = firstLesson();
      const facts = heldOut.filter(({ fact }, i) => (right as string[])[i]!.includes(fact));
      expect(facts.length).toBeGreaterThanOrEqual(0.75 * heldOut.length);

      for (let number = 0; number < CLICKS; number++) {
        await page.press(keys[noisyChoice(await shownPair(), 1, number)]);
        await until(
          page,
          `document.querySelector("[data-figure='teach.choices']")?.textContent === "${number + 1}"`,
        );
      }
      await click(".teach section:nth-of-type(3) button.main");
      await until(page, `document.querySelector(".teach [data-hash=pupil]")`);
      await until(page, `document.querySelector(".teach section:nth-of-type(3) td:last-child div")`);

      const choices = readChoices(await savedFile(".teach section:last-of-type button"), "choices.jsonl");
      expect(choices).toHaveLength(CLICKS);
      const again = await replayed(await stageBundles(), { pairs, choices });
      const agreement = await measuredAgreement(again, 400);
      const before = await meanHiddenScore(again);
      await again.practise();
      const after = await meanHiddenScore(again);
      const { taught, judge, pupil } = await again.hashes();
      await again.close();
      expect(agreement.pairs).toBe(400);
      expect(agreement.rate).toBeGreaterThanOrEqual(0.7);
      expect(after).toBeGreaterThan(before + 0.2);
      expect([await hash("taught"), await hash("judge"), await hash("pupil")]).toEqual([
        taught,
        judge,
        pupil,
      ]);
      expect(page.complaints).toEqual([]);
    },
  );
});
