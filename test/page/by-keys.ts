/** A visitor who uses keys alone: finds the editor, makes a mistake, and has it mended. */
import { expect, vi } from "vitest";
import type { OpenPage } from "../support/chromium-page.ts";
import { shippedSpec } from "../support/paths.ts";

/** The text of an element, and that it becomes what is expected. */
export const textOf = (page: OpenPage, id: string): Promise<unknown> =>
  page.evaluate(`document.getElementById("${id}").textContent`);
export const says = (page: OpenPage, id: string, what: RegExp): Promise<void> =>
  vi.waitFor(async () => expect(await textOf(page, id)).toMatch(what), { timeout: 30_000 });

/** The element that keys go to, also inside of the editor's shadow root. */
const FOCUSED = `(document.activeElement.shadowRoot?.activeElement ?? document.activeElement)`;

async function tabTo(page: OpenPage, selector: string): Promise<void> {
  for (let i = 0; i < 80; i++) {
    await page.press("Tab");
    if (await page.evaluate(`${FOCUSED}.matches(${JSON.stringify(selector)})`)) return;
    await page.press("Escape"); // leaves the editor
  }
  throw new Error(`no number of tabs leads to ${selector}`);
}

/** Writes a spec with a mistake, hears of it, and takes the first of its corrections. */
export async function mendsASpec(page: OpenPage): Promise<void> {
  await tabTo(page, ".cm-content");
  await page.press("Control+a");
  await page.type(shippedSpec("tiny").replace("heads 2", "heads 3"));
  await says(page, "mistakes", /^Errors: 1$/);
  await page.press("Control+Home");
  await tabTo(page, "#mistakes");
  await page.press(" ");
  await page.press("Control+.");
  const menu = `[...document.querySelector("#editor > *").shadowRoot.querySelectorAll(".cm-dialog button")]
    .map((button) => button.textContent)`;
  await expect.poll(() => page.evaluate(menu), { timeout: 20_000 }).toContain("write 2");
  await page.press(" ");
  await says(page, "mistakes", /^No errors$/);
  await says(page, "status", /^tiny/);
}
