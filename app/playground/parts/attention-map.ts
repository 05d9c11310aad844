/**
 * What attention looks at, as an element: a map, and lines from word to word beside it. Whoever points at a
 * cell hears which token looks at which, and how much. Made of the project's drawings
 * (runtime/report/attention-map.ts); it needs nothing of the page but colours.
 */
import { percent } from "../../../runtime/contract/amounts.ts";
import {
  attentionLines,
  attentionMap,
  mapMargin,
  MAP_CELL,
  type TokenWeights,
} from "../../../runtime/report/attention-map.ts";
import { element } from "../page/element.ts";

export interface AttentionNames {
  readonly map: string;
  readonly lines: string;
}

export interface AttentionPicture {
  readonly element: HTMLElement;
  /** `query`: lines of this token alone. `names` are for those who do not see the drawings. */
  show(looks: TokenWeights, names: AttentionNames, query: number | undefined): void;
}

/** Largest of small maps, in pixels. */
const SMALL = 96;

export function attentionPicture(): AttentionPicture {
  const map = element("div", { class: "scroll attention-map", tabindex: 0, role: "group" });
  const lines = element("div", { class: "scroll attention-lines", tabindex: 0, role: "group" });
  const pointed = element("p", { class: "soft attention-pointed" }, "\u00a0");
  let shown: TokenWeights | undefined;
  map.addEventListener("pointermove", (event) => {
    const said = shown && saidAt(shown, map, event);
    if (said !== undefined) pointed.textContent = said;
  });
  return {
    element: element("div", { class: "attention" }, element("div", {}, map, pointed), lines),
    show(looks, names, query) {
      shown = looks;
      map.setAttribute("aria-label", names.map);
      lines.setAttribute("aria-label", names.lines);
      map.replaceChildren(drawnSvg(attentionMap(looks, { title: names.map })));
      lines.replaceChildren(
        drawnSvg(attentionLines(looks, { title: names.lines, ...(query !== undefined && { query }) })),
      );
    },
  };
}

/** A map of a head, without texts. */
export const smallMap = (looks: TokenWeights, title: string): Element =>
  drawnSvg(
    attentionMap(looks, { title, cell: Math.min(10, Math.max(1, Math.floor(SMALL / looks.tokens.length))) }),
  );

/** "it → cat: 62 %", of the cell under the pointer. */
function saidAt(
  { tokens, weights }: TokenWeights,
  map: HTMLElement,
  event: PointerEvent,
): string | undefined {
  const svg = map.querySelector("svg");
  if (!svg) return undefined;
  const { left, top } = svg.getBoundingClientRect();
  const margin = mapMargin(tokens, MAP_CELL);
  const key = Math.floor((event.clientX - left - margin) / MAP_CELL);
  const query = Math.floor((event.clientY - top - margin) / MAP_CELL);
  const weight = weights[query * tokens.length + key];
  if (key < 0 || query < 0 || key >= tokens.length || weight === undefined) return undefined;
  return `${tokens[query]!} → ${tokens[key]!}: ${percent(weight, 1)}`;
}

/** A drawing that is text, as an element. */
export function drawnSvg(svg: string): Element {
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  return document.importNode(parsed, true);
}
