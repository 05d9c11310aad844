/** The page's colours: those of the reports, each readable on every ground that it stands on. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { pageStyle } from "../../../runtime/report/page-style.ts";
import { inProject } from "../../support/paths.ts";

const css = readFileSync(inProject("app/playground/styles/palette.css"), "utf8");
/** By name: light, dark. */
const palette = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)/g)].map(
    ([, name, light, dark]) => [name!, [light!, dark!]] as const,
  ),
);

test("they are the reports' colours, and more", () => {
  const ofReports = [...pageStyle.matchAll(/--([\w-]+): (#[0-9a-f]+)/g)].map(([, name, colour]) => [
    name,
    colour,
  ]);
  expect(ofReports).toHaveLength(18);
  const same = ofReports.map(([name], i) => [name, palette.get(name!)?.[i < ofReports.length / 2 ? 0 : 1]]);
  expect(same).toEqual(ofReports);
});

/** Relative luminance (WCAG 2.2). */
const light = (colour: string): number =>
  [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i]!, 0);

function contrast(one: string, other: string): number {
  const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
  return (bright! + 0.05) / (dark! + 0.05);
}

test("letters have a contrast of 4.5 : 1 and more on every ground", () => {
  const letters = ["ink", "soft", "first-text", "second-text", "third-text", "fourth", "wrong", "doubt"];
  const pairs = letters.flatMap((name) =>
    ["paper", "card", "lit"].flatMap((ground) =>
      [0, 1].map(
        (i) => [`${name} on ${ground}`, contrast(palette.get(name)![i]!, palette.get(ground)![i]!)] as const,
      ),
    ),
  );
  expect(pairs.filter(([, ratio]) => ratio < 4.5)).toEqual([]);
  expect(contrast("#ffffff", "#000000")).toBeCloseTo(21);
});
