/**
 * THE table of the page's texts, in every language that it speaks. A panel has its rows in a file of its own
 * in this folder, which stands in the table below; a row that lacks a language does not compile. What stands
 * in braces is filled in: "{count} steps".
 */
import { costTexts } from "./cost.ts";
import { frameTexts } from "./frame.ts";
import { insideTexts } from "./inside.ts";
import { kernelsTexts } from "./kernels.ts";
import { galleryTexts } from "./gallery.ts";
import { shareTexts } from "./share.ts";
import { threadsTexts } from "./threads.ts";
import { teachTexts } from "./teach.ts";
import { tourTexts } from "./tour.ts";
import { structureTexts } from "./structure.ts";
import { trainTexts } from "./train.ts";

/** The languages, each by its own name. */
export const languages = { en: "English", nl: "Nederlands" } as const;
export type Language = keyof typeof languages;

/** A text in every language. */
export type Text = Readonly<Record<Language, string>>;

/** Keys of a panel begin with its name and a full stop. */
export const texts = {
  ...costTexts,
  ...frameTexts,
  ...insideTexts,
  ...kernelsTexts,
  ...galleryTexts,
  ...shareTexts,
  ...threadsTexts,
  ...teachTexts,
  ...tourTexts,
  ...structureTexts,
  ...trainTexts,
} as const satisfies Readonly<Record<string, Text>>;
export type TextKey = keyof typeof texts;

export type TextValues = Readonly<Record<string, string | number>>;

/** A text of the table. Numbers are written as the language writes them: 12,000 and 12.000. */
export const textIn = (language: Language, key: TextKey, values: TextValues = {}): string =>
  filled(texts[key], language, values);

/** A text with its braces filled in; a name that `values` lacks is left as it stands. */
export function filled(text: Text, language: Language, values: TextValues = {}): string {
  return text[language].replace(/\{(\w+)\}/g, (brace, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name]! : brace;
    return typeof value === "number" ? value.toLocaleString(language) : value;
  });
}
