/** A published model that is dropped on the page is compiled there, and writes its published text. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { shared } from "../runtime/formats/shared.ts";
import { openBrowser } from "../support/chromium-page.ts";
import { openTraining, until } from "./training-page.ts";

const model = shared("checkpoints/stories260K/stories260K.gguf");
const greedy = shared("vectors/stories260K-greedy200.json");
const { url } = inject("page");

let browser: Awaited<ReturnType<typeof openBrowser>>;
beforeAll(async () => {
  if (!chromiumMissing()) browser = await openBrowser();
});
afterAll(() => browser?.close());

const skipped = chromiumMissing() !== undefined || !model.there || !greedy.there;
test.skipIf(skipped)(`stories260K writes its published text ${model.why}`, async () => {
  const page = await browser.open(url, { width: 1280, scheme: "light" });
  await openTraining(page);
  const bytes = readFileSync(model.path).toString("base64");
  await page.evaluate(`(() => {
    const bytes = Uint8Array.from(atob("${bytes}"), (letter) => letter.charCodeAt(0));
    const dropped = new DataTransfer();
    dropped.items.add(new File([bytes], "stories260K.gguf"));
    document.querySelector(".train .bring").dispatchEvent(new DragEvent("drop", { dataTransfer: dropped }));
  })()`);
  await until(page, "/260,032/.test(document.querySelector('.train .bring').textContent)");
  await page.evaluate(`(() => {
    const temperature = document.querySelectorAll(".train .fields input[type=range]")[1];
    temperature.value = 0;
    temperature.dispatchEvent(new Event("change"));
    document.querySelector(".train .write input").value = "Once upon a time";
    document.querySelector(".train .write").requestSubmit();
  })()`);
  const written = "document.querySelector('.train .written').textContent";
  const { text } = JSON.parse(readFileSync(greedy.path, "utf8")) as { readonly text: string };
  await until(page, `${written}.length >= ${text.length}`);
  expect(String(await page.evaluate(written)).slice(0, text.length)).toBe(text);
  expect(page.complaints).toEqual([]);
  await page.close();
});
