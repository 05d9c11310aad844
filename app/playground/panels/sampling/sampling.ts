/** The panel in which a text is drawn token by token: what is likely, what is cut, where the number falls. */
import { exampleOf } from "../../gallery/examples.ts";
import { element } from "../../page/element.ts";
import type { OpenPanel, Page } from "../../page/page.ts";
import { Drawer, type Shown } from "./drawer.ts";
import { distribution, oneDraw, textSoFar } from "./pictures.ts";
import { samplerSliders } from "./sliders.ts";
import "./sampling.css";

const PROMPT = "The ";

export const openSampling: OpenPanel = (page) => {
  const { model } = page;
  const drawer = new Drawer(model);
  const { form, begin } = beginning(page, drawer);
  const missing = element(
    "div",
    { class: "card" },
    element("p", {}, page.words("sampling.none")),
    element(
      "button",
      { type: "button", class: "main", onclick: () => page.show("train") },
      page.words("sampling.toTrain"),
    ),
  );
  const work = element(
    "div",
    { class: "sampler" },
    form,
    samplerSliders(page, drawer),
    drawing(page, drawer),
  );
  model.opened.watch((opened) => {
    missing.hidden = opened !== undefined;
    work.hidden = opened === undefined;
    drawer.forget();
    if (opened) begin();
  });
  model.sampler.watch((settings) => settings && drawer.setSampler(settings));
  // what it has learnt meanwhile counts as soon as it rests
  model.state.watch((state) => {
    if (state === "paused" || state === "done") void drawer.renew();
  });
  return {
    element: element(
      "div",
      { class: "sampling" },
      element("h2", {}, page.words("sampling.title")),
      element("p", { class: "soft" }, page.words("sampling.lead")),
      missing,
      work,
    ),
    shown: () => void drawer.renew(),
  };
};

/** What the text begins with. */
function beginning(page: Page, drawer: Drawer): { readonly form: HTMLElement; begin(): void } {
  const prompt = element("input", { type: "text", spellcheck: "false" });
  const seed = element("input", { type: "number", min: 0, max: 2 ** 32 - 1, step: 1, value: 1 });
  let ofExample = "";
  const begin = (): void => {
    const { example } = page.experiment.now;
    if (example !== ofExample) prompt.value = exampleOf(example)?.prompt ?? PROMPT;
    ofExample = example;
    void drawer.begin(prompt.value, seed.valueAsNumber);
  };
  const onsubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    begin();
  };
  const form = element(
    "form",
    { class: "row beginning", onsubmit },
    element("label", { class: "prompt" }, page.words("sampling.prompt"), prompt),
    element("label", { class: "seed" }, page.words("sampling.seed"), seed),
    element("button", { type: "submit" }, page.words("sampling.begin")),
  );
  return { form, begin };
}

/** Everything that is another thing at each token. */
function drawing(page: Page, drawer: Drawer): HTMLElement {
  const press = element("button", { type: "button", class: "main", onclick: () => void drawer.press() });
  const ten = element(
    "button",
    { type: "button", onclick: () => void drawer.appendMany(10) },
    page.words("sampling.ten"),
  );
  const text = element("div", { class: "card text", tabindex: 0, role: "group" });
  const draw = element("div", { class: "draw" });
  const said = element("p", { class: "said", role: "status" });
  const likely = element("div", { class: "scroll", tabindex: 0, role: "group" });

  const show = (shown: Shown): void => {
    const isDrawing = shown.kind === "drawing" && shown.draw !== undefined;
    press.disabled = ten.disabled = !isDrawing;
    press.replaceChildren(nextLabel(page, shown));
    said.classList.toggle("wrong", shown.kind === "failed");
    if (shown.kind === "failed") {
      const error = shown.cause instanceof Error ? shown.cause.message : String(shown.cause);
      said.replaceChildren(page.words("sampling.failed", { error }));
    }
    if (shown.kind !== "drawing") return;
    text.setAttribute("aria-label", page.text("sampling.text"));
    likely.setAttribute("aria-label", page.text("sampling.distribution"));
    text.replaceChildren(textSoFar(shown));
    const { picture, line } = oneDraw(page, shown);
    draw.replaceChildren(...(picture ? [picture] : []));
    said.replaceChildren(line);
    likely.replaceChildren(...(shown.draw ? [distribution(page, shown, shown.draw)] : []));
  };
  drawer.shown.watch(show);
  page.language.watch(() => show(drawer.shown.now));
  return element(
    "section",
    { class: "one-by-one" },
    text,
    element("div", { class: "row" }, press, ten),
    element("h3", {}, page.words("sampling.oneDraw")),
    draw,
    said,
    element("h3", {}, page.words("sampling.distribution")),
    likely,
  );
}

/** What the first button will do. */
function nextLabel(page: Page, shown: Shown): HTMLElement {
  if (shown.kind !== "drawing" || !shown.draw) return page.words("sampling.draw");
  if (shown.draw.u === undefined) return page.words("sampling.take");
  const token = `“${shown.vocabulary.texts[shown.draw.token]}”`;
  return shown.isOpen ? page.words("sampling.append", { token }) : page.words("sampling.draw");
}
