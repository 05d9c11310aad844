/** The tokens of the text with their numbers, each a button that chooses it. */
import type { ShownToken } from "../../../../runtime/look/token-text.ts";
import { element } from "../../page/element.ts";
import { replaceChildren } from "./keep-focus.ts";

export function tokenList(
  place: HTMLElement,
  tokens: readonly ShownToken[],
  chosen: number | undefined,
  choose: (position: number) => void,
): void {
  const items = tokens.map(({ id, text }, position) => {
    const button = element(
      "button",
      {
        type: "button",
        "aria-pressed": position === chosen,
        "data-key": position,
        onclick: () => choose(position),
      },
      text,
      element("small", {}, `${id}`),
    );
    return element("li", {}, button);
  });
  replaceChildren(place, [element("ol", { class: "token-list" }, ...items)]);
}
