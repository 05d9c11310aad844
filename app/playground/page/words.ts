/**
 * Texts that follow the visitor's language. An element made by `words` says by its attributes which text it
 * shows, and so do elements of index.html; when the language changes, all of them are filled anew.
 */
import { spokenText } from "../texts/spoken.ts";
import { languages, type Language, type TextValues } from "../texts/text.ts";
import type { TextKey } from "../texts/texts.ts";
import { element } from "./element.ts";
import { kept } from "./settings.ts";
import { valueOf, type Value } from "./value.ts";

/** What was chosen before, else the first of the browser's languages that the page speaks. */
export function languageOfVisitor(): Value<Language> {
  const isSpoken = (name: string | undefined): name is Language =>
    name !== undefined && Object.hasOwn(languages, name);
  const wanted = [kept("language").now, ...navigator.languages.map((name) => name.split("-")[0])];
  return valueOf(wanted.find(isSpoken) ?? "en");
}

export const wordsIn = (language: Language, key: TextKey, values?: TextValues): HTMLElement =>
  element(
    "span",
    { "data-text": key, "data-values": values && JSON.stringify(values) },
    spokenText(language, key, values),
  );

/** Fills what says which text it shows; `data-label` is the text of `aria-label`. */
export function fillTexts(language: Language, within: ParentNode = document): void {
  for (const shown of within.querySelectorAll<HTMLElement>("[data-text]")) {
    const { text, values } = shown.dataset;
    shown.textContent = spokenText(language, text as TextKey, values === undefined ? {} : JSON.parse(values));
  }
  for (const named of within.querySelectorAll<HTMLElement>("[data-label]"))
    named.setAttribute("aria-label", spokenText(language, named.dataset["label"] as TextKey));
}
