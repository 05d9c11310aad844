/** The guided tour: one step at a time, beside the editor in which its model can be changed. */
import { element } from "../../page/element.ts";
import { experimentOf } from "../../gallery/examples.ts";
import type { OpenPanel, Page } from "../../page/page.ts";
import { panels, type PanelRow } from "../../page/panels.ts";
import { kept } from "../../page/settings.ts";
import type { Text } from "../../texts/texts.ts";
import { modelOf } from "./specs.ts";
import { steps, type Step } from "./steps.ts";
import "../../styles/tour.css";

const rows: readonly PanelRow[] = panels;
/** Where the editor stands beside the panels (styles/page.css), so that pointing at it moves nothing. */
const BESIDE = "(width > 60rem)";

export const openTour: OpenPanel = (page) => {
  const remembered = kept("tour");
  const numberOf = (id: string | undefined): number =>
    Math.max(
      0,
      steps.findIndex((step) => step.id === id),
    );
  let at = numberOf(remembered.now);
  const list = element("ol", { class: "tour-steps" });
  const body = element("div", { class: "tour-step", "aria-live": "polite" });
  const nav = element("nav", { "data-label": "tour.steps", "aria-label": page.text("tour.steps") }, list);

  const show = (next: number): void => {
    at = next;
    remembered.set(steps[at]!.id);
    follow(page, steps[at]!);
    render();
  };
  const render = (): void => {
    const said = (text: Text): string => text[page.language.now];
    list.replaceChildren(
      ...steps.map(({ title }, i) => {
        const attributes = {
          type: "button",
          onclick: () => show(i),
          "aria-current": i === at ? "step" : undefined,
        };
        return element("li", {}, element("button", attributes, said(title)));
      }),
    );
    body.replaceChildren(...stepElements(page, at, said), turnPages(page, at, show, said));
  };
  page.language.watch(render);
  const lead = element("p", { class: "soft" }, page.words("tour.lead"));
  return { element: element("div", { class: "tour" }, lead, nav, body) };
};

function stepElements(page: Page, at: number, said: (text: Text) => string): HTMLElement[] {
  const step = steps[at]!;
  const number = page.text("tour.step", { number: at + 1, count: steps.length });
  const button = (text: string, onclick: () => void): HTMLElement =>
    element("button", { type: "button", onclick }, text);
  return [
    element("p", { class: "tour-number" }, number),
    element("h2", {}, said(step.title)),
    ...step.says.map((paragraph) => element("p", {}, said(paragraph))),
    element(
      "div",
      { class: "card tour-place" },
      element("h3", {}, page.text("tour.place")),
      element("pre", {}, element("code", {}, lineOf(step))),
      element(
        "div",
        { class: "row" },
        button(page.text("tour.show"), () => light(page, step)),
      ),
      element("h3", {}, page.text("tour.try")),
      element("p", {}, said(step.tries)),
      element(
        "div",
        { class: "row" },
        button(page.text("tour.change"), () => change(page, step)),
      ),
    ),
    element("h3", {}, page.text("tour.goOn")),
    element(
      "ul",
      { class: "tour-pointers" },
      ...step.goesOn.flatMap(({ panel, does }) => {
        const { tab, load } = rows.find(({ id }) => id === panel)!;
        const opens = element("button", { type: "button", onclick: () => page.show(panel) }, page.text(tab));
        return load ? [element("li", {}, opens, element("span", {}, said(does)))] : [];
      }),
    ),
  ];
}

function turnPages(
  page: Page,
  at: number,
  show: (at: number) => void,
  said: (text: Text) => string,
): HTMLElement {
  const turn = (to: number, text: string, attributes = {}): HTMLElement | undefined =>
    steps[to] && element("button", { type: "button", onclick: () => show(to), ...attributes }, text);
  const next = steps[at + 1];
  return element(
    "div",
    { class: "row tour-turn" },
    turn(at - 1, page.text("tour.back")),
    next && turn(at + 1, page.text("tour.next", { title: said(next.title) }), { class: "main" }),
  );
}

/** The line of a step's spec that the step is about. */
const lineOf = ({ spec, lit }: Step): string =>
  modelOf(spec)
    .text.split("\n")
    .find((line) => line.includes(lit))!
    .trim();

/** What stands in the editor, if it is the step's model and has this place; else the model anew. */
function textWith(page: Page, { spec }: Step, place: string): string {
  const { text } = page.spec.now;
  const isIt = new RegExp(`^model ${spec}\\b`, "m").test(text) && text.includes(place);
  return isIt ? text : modelOf(spec).text;
}

/** Puts a text of the step's model into the editor; where it is another model, its data and steps with it. */
function put(page: Page, { spec }: Step, text: string): void {
  const { example } = modelOf(spec);
  if (example && page.experiment.now.example !== example.id) page.experiment.set(experimentOf(example));
  if (page.spec.now.text !== text) page.spec.set({ text, model: undefined });
}

function light(page: Page, step: Step): void {
  const text = textWith(page, step, step.lit);
  put(page, step, text);
  const start = text.indexOf(step.lit);
  page.edit({ start, end: start + step.lit.length });
}

function change(page: Page, step: Step): void {
  const [from, to] = step.change;
  const before = textWith(page, step, from);
  const start = before.indexOf(from);
  put(page, step, before.slice(0, start) + to + before.slice(start + from.length));
  page.edit({ start, end: start + to.length });
  page.announce(page.text("tour.changed"));
}

/** In another step, its model takes the place of one that nobody has changed. */
function follow(page: Page, step: Step): void {
  const isAsItWas = steps.some(({ spec }) => modelOf(spec).text === page.spec.now.text);
  if (!isAsItWas || page.model.state.now === "training") return;
  const { text } = modelOf(step.spec);
  put(page, step, text);
  const start = text.indexOf(step.lit);
  if (matchMedia(BESIDE).matches) page.point({ start, end: start + step.lit.length });
}
