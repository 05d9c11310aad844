/**
 * The texts that the page has loaded: at first those of the frame, and before a panel opens all of the table.
 * So what is read first does not wait for what is read later.
 */
import { frameTexts } from "./frame.ts";
import { shareTexts } from "./share.ts";
import { filled, type Language, type Text, type TextValues } from "./text.ts";
import type { TextKey } from "./texts.ts";
import { threadsTexts } from "./threads.ts";

let loaded: Readonly<Record<string, Text>> = { ...frameTexts, ...shareTexts, ...threadsTexts };

export async function loadAllTexts(): Promise<void> {
  loaded = (await import("./texts.ts")).texts;
}

/** A text of the table, with its values; of a panel, once all texts are loaded. */
export function spokenText(language: Language, key: TextKey, values?: TextValues): string {
  const text = loaded[key];
  if (!text) throw new Error(`the text ${key} was asked for before the texts of panels were loaded`);
  return filled(text, language, values);
}
