/** How many choices there are, and how often the judge agrees with those that it has not learnt from. */
import type { Standing } from "../../course/course-thread.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { Value } from "../../page/value.ts";

export function standingFigures(page: Page, standing: Value<Standing | undefined>): HTMLElement {
  const list = element("dl", { class: "numbers" });
  const figure = (
    key: "teach.choices" | "teach.known" | "teach.agrees",
    ...value: readonly (Node | string)[]
  ) =>
    element("div", {}, element("dt", {}, page.words(key)), element("dd", { "data-figure": key }, ...value));
  standing.watch((now) => {
    list.hidden = !now;
    if (!now) return;
    list.replaceChildren(
      figure("teach.choices", `${now.choices.length}`),
      figure("teach.known", `${now.known}`),
      figure("teach.agrees", ...agreement(page, now)),
    );
  });
  return list;
}

function agreement(page: Page, { agreement: of }: Standing): readonly Node[] {
  if (!of || of.pairs === of.ties) return [page.words("teach.none")];
  const whole = (share: number): number => Math.round(100 * share);
  const values = { wins: of.wins, pairs: of.pairs - of.ties, low: whole(of.low), high: whole(of.high) };
  return [
    element("div", {}, `${whole(of.rate)} %`),
    element("small", { class: "soft" }, page.words("teach.agreesIn", values)),
  ];
}
