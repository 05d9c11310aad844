/** The examples, each of which puts its spec into the editor. */
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { examples, experimentOf } from "../../gallery/examples.ts";

export function examplesToChoose(page: Page): HTMLElement {
  const cards = examples.map((example) => {
    const choose = (): void => {
      page.model.close();
      page.experiment.set(experimentOf(example));
      page.spec.set({ text: example.spec, model: undefined });
    };
    const card = element(
      "button",
      { type: "button", class: "example", "aria-pressed": false, onclick: choose },
      element("strong", {}, page.words(example.title)),
      element("span", { class: "soft" }, page.words(example.about)),
    );
    page.experiment.watch((now) => card.setAttribute("aria-pressed", String(now.example === example.id)));
    return card;
  });
  return element(
    "section",
    { class: "examples" },
    element("h2", {}, page.words("gallery.title")),
    element("div", { class: "cards" }, ...cards),
  );
}
