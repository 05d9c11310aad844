/** The guided tour: its specs are right, before and after the change that each step proposes. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { languages, type Language, type Text } from "../../../../../app/playground/texts/texts.ts";
import { steps } from "../../../../../app/playground/panels/tour/steps.ts";
import { analyse } from "../../../../../compiler/language-service/analyse.ts";
import { inProject } from "../../../../support/paths.ts";

const textOf = (spec: string): string => readFileSync(inProject(`specs/${spec}.sinter`), "utf8");

test("there is a step for each of the article's sections, each with a name of its own", () => {
  expect(steps).toHaveLength(7);
  expect(new Set(steps.map(({ id }) => id)).size).toBe(7);
});

test.each(steps.map((step) => [step.id, step] as const))(
  "%s: its spec is right, changed or not",
  (_, step) => {
    const text = textOf(step.spec);
    const [from, to] = step.change;
    for (const place of [step.lit, from]) expect(text.split(place)).toHaveLength(2);
    for (const spec of [text, text.replace(from, to)]) {
      const { diagnostics, models } = analyse(spec);
      expect(diagnostics).toEqual([]);
      expect(models.length).toBeGreaterThan(0);
    }
  },
);

const said: readonly (readonly [string, Text])[] = steps.flatMap(({ id, title, says, tries, goesOn }) =>
  [title, ...says, tries, ...goesOn.map(({ does }) => does)].map((text) => [id, text] as const),
);

test("every text is there in every language, in whole sentences", () => {
  for (const [id, text] of said)
    for (const language of Object.keys(languages) as Language[]) {
      expect(text[language], id).toMatch(/^\p{Lu}|^[“‘]/u);
      expect(text[language], id).not.toMatch(/\w'\w|\.\.\.| {2}/);
    }
});
