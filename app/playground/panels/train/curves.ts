/** The loss by step, and another number beside it that the visitor chooses. */
import type { Points } from "../../../../runtime/report/smooth.ts";
import { smooth } from "../../../../runtime/report/smooth.ts";
import { curvesOf } from "../../../../runtime/report/run-curves.ts";
import type { StepEvent, TrainEvent } from "../../../../runtime/train/events.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { openCurve, short, type Curve, type CurveOptions } from "../../parts/curve.ts";
import type { TextKey } from "../../texts/texts.ts";

const LOSS_HEIGHT = 260;
const OTHER_HEIGHT = 150;

/** What can be drawn besides the loss. */
const others = {
  speed: { title: "train.speed", of: (event: StepEvent) => event.tokensPerSecond },
  norm: { title: "train.norm", of: (event: StepEvent) => event.norm },
  lr: { title: "train.lr", of: (event: StepEvent) => event.lr },
} as const satisfies Readonly<Record<string, { readonly title: TextKey; of(event: StepEvent): number }>>;

export function curves(page: Page): { readonly element: HTMLElement; shown(): void } {
  const lossPlace = element("div", {});
  const otherPlace = element("div", {});
  const choice = element("select", { onchange: () => make() });
  let loss: Curve | undefined;
  let other: Curve | undefined;
  const draw = (): void => {
    const events = page.model.events.now;
    loss?.show(lossLines(events));
    other?.show([curvesOf(events)("", "first", others[chosen()].of).points]);
  };
  const chosen = (): keyof typeof others => (choice.value || "speed") as keyof typeof others;
  /** Its names are in the visitor's language, so another language makes another curve. */
  const make = (): void => {
    loss?.close();
    other?.close();
    loss = openCurve(lossOptions(page));
    const title = page.text(others[chosen()].title);
    other = openCurve({
      ...described(page),
      height: OTHER_HEIGHT,
      label: title,
      lines: [{ name: title, colour: "--third" }],
    });
    lossPlace.replaceChildren(loss.element);
    otherPlace.replaceChildren(other.element);
    draw();
  };
  page.language.watch(() => {
    const before = chosen();
    choice.replaceChildren(
      ...Object.entries(others).map(([value, { title }]) => element("option", { value }, page.text(title))),
    );
    choice.value = before;
    make();
  });
  page.model.events.watch(draw);
  const heading = element(
    "h3",
    {},
    page.words("train.lossCurve"),
    " ",
    element("small", { class: "soft" }, page.words("train.nats")),
  );
  const label = element("label", { class: "soft" }, page.words("train.otherCurve"), " ", choice);
  return {
    element: element("section", { class: "curves card" }, heading, lossPlace, label, otherPlace),
    shown: draw,
  };
}

const described = (page: Page): Pick<CurveOptions, "describe" | "across"> => ({
  across: page.text("train.across"),
  describe: (step, values) =>
    page.text("train.at", { step, values: values.map(([name, y]) => `${name} ${short(y)}`).join(", ") }),
});

const lossOptions = (page: Page): CurveOptions => ({
  ...described(page),
  height: LOSS_HEIGHT,
  label: page.text("train.lossCurve"),
  lines: [
    { name: page.text("train.eachStep"), colour: "--faint", width: 1 },
    { name: page.text("train.smoothed"), colour: "--first" },
    { name: page.text("train.heldOut"), colour: "--second", isSparse: true },
  ],
});

function lossLines(events: readonly TrainEvent[]): readonly Points[] {
  const each = curvesOf(events)("", "faint", (event) => event.loss).points;
  const measured = events.flatMap((event) =>
    event.kind === "eval" && event.loss !== undefined ? [[event.step, event.loss] as const] : [],
  );
  return [each, smooth(each), measured];
}
