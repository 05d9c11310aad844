/** What the judge thinks of the answers of each round. */
import { smooth, type Points } from "../../../../runtime/report/smooth.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { openCurve, short, type Curve } from "../../parts/curve.ts";

const HEIGHT = 150;

export interface ScoreCurve {
  readonly element: HTMLElement;
  draw(): void;
}

/** `scores` gives those that there are. Without any, nothing is shown. */
export function scoreCurve(page: Page, scores: () => Points): ScoreCurve {
  const place = element("div", { class: "card", hidden: true });
  let curve: Curve | undefined;
  const draw = (): void => {
    place.hidden = scores().length === 0;
    if (!place.hidden) curve?.show([smooth(scores())]);
  };
  // its names are in the visitor's language
  page.language.watch(() => {
    curve?.close();
    const name = page.text("teach.score");
    const across = page.text("teach.rounds");
    curve = openCurve({
      height: HEIGHT,
      lines: [{ name, colour: "--second" }],
      label: name,
      across,
      describe: (round, values) =>
        `${across} ${round}, ${values.map(([, y]) => `${name} ${short(y)}`).join()}`,
    });
    place.replaceChildren(curve.element);
    draw();
  });
  return { element: place, draw };
}
