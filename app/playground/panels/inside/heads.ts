/** All heads as small maps, one of them large, and the switch that turns it off. */
import { percent } from "../../../../runtime/contract/amounts.ts";
import type { HeadPlace } from "../../../../runtime/look/inside.ts";
import type { HeadSummary } from "../../../../runtime/look/heads.ts";
import type { TextInside } from "../../../../runtime/look/text-inside.ts";
import type { TokenWeights } from "../../../../runtime/report/attention-map.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { attentionPicture, smallMap } from "../../parts/attention-map.ts";
import { replaceChildren } from "./keep-focus.ts";

export class HeadsPart {
  readonly element: HTMLElement;
  readonly #page: Page;
  readonly #all = element("div", { class: "all-heads" });
  readonly #title = element("h3");
  readonly #picture = attentionPicture();
  readonly #words = element("p", { class: "looks-at" });
  readonly #off: HTMLInputElement;
  readonly #none: HTMLElement;
  readonly #some: HTMLElement;
  #chosen: HeadPlace | undefined;
  #shown: { readonly inside: TextInside; readonly position: number | undefined } | undefined;

  /** `changed`: a head was switched off or on. */
  constructor(page: Page, changed: () => void) {
    this.#page = page;
    this.#off = element("input", { type: "checkbox", onchange: changed });
    this.#none = element("p", {}, page.words("inside.noHeads"));
    this.#some = element(
      "div",
      {},
      element("p", { class: "soft" }, page.words("inside.attentionHelp")),
      this.#all,
      this.#title,
      this.#picture.element,
      this.#words,
      element("label", { class: "row" }, this.#off, page.words("inside.off")),
    );
    this.element = element(
      "div",
      {},
      element("h2", {}, page.words("inside.attention")),
      this.#none,
      this.#some,
    );
  }

  /** The head that the visitor has switched off. */
  get switchedOff(): HeadPlace | undefined {
    return this.#off.checked ? this.#chosen : undefined;
  }

  show(inside: TextInside, position: number | undefined): void {
    this.#shown = { inside, position };
    this.#none.hidden = inside.heads > 0;
    this.#some.hidden = inside.heads === 0;
    if (inside.heads === 0) return;
    const isThere = (head: HeadPlace): boolean => head.layer < inside.layers && head.head < inside.heads;
    if (!this.#chosen || !isThere(this.#chosen)) this.#chosen = farthest(inside.summaries);
    this.#showAll(inside);
    this.#showChosen(inside, this.#chosen!, position);
  }

  #choose({ layer, head }: HeadPlace): void {
    this.#chosen = { layer, head };
    const wasOff = this.#off.checked;
    this.#off.checked = false;
    if (wasOff) this.#off.dispatchEvent(new Event("change"));
    if (this.#shown) this.show(this.#shown.inside, this.#shown.position);
  }

  #showAll(inside: TextInside): void {
    const page = this.#page;
    const buttons = inside.summaries.map((summary) => {
      const { layer, head } = summary;
      const isChosen = layer === this.#chosen?.layer && head === this.#chosen.head;
      const name = page.text("inside.head", { layer, head });
      const says = mostly(page, summary);
      return element(
        "button",
        {
          type: "button",
          "aria-pressed": isChosen,
          "data-key": `${layer}:${head}`,
          onclick: () => this.#choose(summary),
        },
        smallMap(weightsOf(inside, summary), `${name}: ${says}`),
        element("span", { "aria-hidden": "true" }, name),
        element("small", { "aria-hidden": "true" }, says),
      );
    });
    replaceChildren(this.#all, buttons);
  }

  #showChosen(inside: TextInside, chosen: HeadPlace, position: number | undefined): void {
    const page = this.#page;
    const { layer, head } = chosen;
    this.#title.textContent = page.text("inside.head", { layer, head });
    const looks = weightsOf(inside, chosen);
    const names = {
      map: page.text("inside.map", { layer, head }),
      lines: page.text("inside.lines", { layer, head }),
    };
    this.#picture.show(looks, names, position);
    this.#words.textContent = wordsOf(page, looks, position ?? inside.tokens.length - 1);
  }
}

/** The head that looks at other tokens than the first, the one before and itself. */
const farthest = (summaries: readonly HeadSummary[]): HeadPlace =>
  summaries.toSorted((a, b) => b.other - a.other || b.distance - a.distance)[0]!;

function weightsOf({ attention, tokens }: TextInside, { layer, head }: HeadPlace): TokenWeights {
  const size = tokens.length ** 2;
  return {
    tokens: tokens.map(({ text }) => text),
    weights: attention[layer]!.subarray(head * size, (head + 1) * size),
  };
}

const kinds = ["previous", "same", "first", "other"] as const;

/** "62 % the token before": what it does most. */
function mostly(page: Page, summary: HeadSummary): string {
  const kind = kinds.toSorted((a, b) => summary[b] - summary[a])[0]!;
  return page.text(`inside.${kind}`, { share: percent(summary[kind]) });
}

/** "it looks at cat (62 %), the (11 %)", for those who would rather read. */
function wordsOf(page: Page, { tokens, weights }: TokenWeights, query: number): string {
  const T = tokens.length;
  const others = tokens
    .map((token, key) => ({ token, weight: weights[query * T + key]! }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, 4)
    .filter(({ weight }) => weight >= 0.02)
    .map(({ token, weight }) => `${token} (${percent(weight)})`);
  return page.text("inside.looksAt", { token: tokens[query]!, others: others.join(", ") });
}
