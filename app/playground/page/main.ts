/** Puts the page together: values, thread, editor, tabs. The text to begin with is in index.html. */
import { keepChecked, startCheckThread } from "../check/checking.ts";
import { createModelHandle } from "../model/model-handle.ts";
import type { Experiment } from "../share/experiment.ts";
import { keepForOffline } from "../share/offline.ts";
import { shareWhenNeeded } from "../share/share-when-needed.ts";
import { spokenText } from "../texts/spoken.ts";
import { languages, type Language } from "../texts/text.ts";
import { openColours } from "./colours.ts";
import { element } from "./element.ts";
import type { Page, Spec } from "./page.ts";
import { panels } from "./panels.ts";
import { kept } from "./settings.ts";
import { openTabs } from "./tabs.ts";
import { valueOf } from "./value.ts";
import { fillTexts, languageOfVisitor, wordsIn } from "./words.ts";

const place = (id: string): HTMLElement => document.getElementById(id)!;

const language = languageOfVisitor();
const spec = valueOf<Spec>({ text: place("first-spec").textContent!, model: undefined });
const experiment = valueOf<Experiment>({
  example: "quickstart",
  data: { kind: "example", id: "quickstart" },
  seed: 1,
  steps: 700,
  moves: [],
});
const check = startCheckThread();
const model = createModelHandle();
const announce = (message: string): void => {
  place("announced").textContent = message;
};
const failed = (error: unknown): void => {
  console.error(error);
  announce(String((error as Error).message));
};
const checked = keepChecked(check, spec, failed);
const page: Page = {
  spec,
  checked,
  check,
  experiment,
  cursor: valueOf(0),
  model,
  language,
  text: (key, values) => spokenText(language.now, key, values),
  words: (key, values) => wordsIn(language.now, key, values),
  announce,
  show: (panel) => tabs.show(panel),
  edit: (span) => void editor.then((open) => open.select(span)),
  point: (span) => void editor.then((open) => open.select(span, false)),
};

const editor = import("../editor/place-editor.ts").then(({ placeEditor }) => placeEditor(page));
editor.catch(failed);

language.watch((now) => {
  document.documentElement.lang = now;
  fillTexts(now);
  document.title = spokenText(now, "frame.title");
});
openColours(place("colours") as HTMLSelectElement);
const languageChoice = place("language") as HTMLSelectElement;
languageChoice.append(
  ...Object.entries(languages).map(([value, name]) => element("option", { value, lang: value }, name)),
);
languageChoice.value = language.now;
languageChoice.addEventListener("change", () => {
  const chosen = languageChoice.value as Language;
  kept("language").set(chosen);
  language.set(chosen);
});
const tabs = openTabs(page, place("tabs"), place("panels"));
const first = panels.find((row) => "load" in row);
if (first) tabs.show(first.id);
shareWhenNeeded(page, place("share") as HTMLButtonElement, failed);
keepForOffline();
addEventListener("pagehide", ({ persisted }) => {
  model.close(); // a page that is gone, or kept to come back, holds no memory for a model
  if (!persisted) check.end();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") model.keep().catch(failed);
});
