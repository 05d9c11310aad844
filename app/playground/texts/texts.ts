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
import { samplingTexts } from "./sampling.ts";
import { shareTexts } from "./share.ts";
import { threadsTexts } from "./threads.ts";
import { teachTexts } from "./teach.ts";
import { tourTexts } from "./tour.ts";
import { structureTexts } from "./structure.ts";
import { filled, type Language, type Text, type TextValues } from "./text.ts";
import { trainTexts } from "./train.ts";

export * from "./text.ts";

/** Keys of a panel begin with its name and a full stop. */
export const texts = {
  ...costTexts,
  ...frameTexts,
  ...insideTexts,
  ...kernelsTexts,
  ...galleryTexts,
  ...samplingTexts,
  ...shareTexts,
  ...threadsTexts,
  ...teachTexts,
  ...tourTexts,
  ...structureTexts,
  ...trainTexts,
} as const satisfies Readonly<Record<string, Text>>;
export type TextKey = keyof typeof texts;

/** A text of the table. Numbers are written as the language writes them: 12,000 and 12.000. */
export const textIn = (language: Language, key: TextKey, values: TextValues = {}): string =>
  filled(texts[key], language, values);
