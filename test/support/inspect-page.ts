/**
 * Whether a page can be read: at three widths, in light and dark, by those who do not see it (axe-core).
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect } from "vitest";
import type { OpenPage } from "./chromium-page.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.env["PICTURES"];

export const looks = [
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
  const background = (e) => {
    const colour = getComputedStyle(e).backgroundColor;
    return colour.endsWith(", 0)") && e.parentElement ? background(e.parentElement) : colour;
  };
  const said = (elements) => elements.map((e) => e.outerHTML.slice(0, 100));
  const seen = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && hasText(e));
  const drawn = seen.filter((e) => e.matches("section svg text"));
  return {
    small: said(seen.filter((e) => heightOf(e) < 11)),
    faint: said(drawn.filter((e) => contrast(getComputedStyle(e).fill, background(e)) < 4.5)),
    wide: Math.max(0, scrollWidth - clientWidth),
  };
})()`;

/** Opens every <details>, so that what is in it is looked at as well. */
const OPEN = `document.querySelectorAll("details").forEach((each) => (each.open = true))`;

/** When what follows the page's width has been drawn anew. */
const DRAWN = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))`;

/** Looks at a page in every way; PICTURES=DIR writes what it looks like. */
export async function inspect(page: OpenPage, title: string): Promise<void> {
  await page.evaluate(OPEN);
  await page.evaluate(axe);
  for (const look of looks) {
    const where = `${title} at ${look.width}, ${look.scheme}`;
    await page.look(look);
    await page.evaluate(DRAWN);
    expect.soft(await page.evaluate(LAYOUT), where).toEqual({ small: [], faint: [], wide: 0 });
    if (look.axe) expect.soft(await page.evaluate(FLAWS), where).toEqual([]);
    if (pictures === undefined) continue;
    mkdirSync(pictures, { recursive: true });
    writeFileSync(join(pictures, `${title}-${look.width}-${look.scheme}.png`), await page.picture());
  }
}
