/** What is seen of a draw: the text, the interval with its slices, the likeliest tokens with their cuts. */
import type { DrawSteps } from "../../../../runtime/sample/draw-steps.ts";
import type { Cut } from "../../../../runtime/sample/sampler.ts";
import { shareText } from "../../../../runtime/report/distribution.ts";
import { likeliest } from "../../../../runtime/sample/logprobs.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { interval, tokenRows, type TokenRow } from "../../parts/distribution.ts";
import type { Drawing } from "./drawer.ts";

/** So many of the likeliest tokens have a row. */
const ROWS = 12;
const quoted = (text: string): string => `“${text}”`;

/** The prompt, and each token that was appended in a box of its own. */
export function textSoFar({ growing, vocabulary }: Drawing): HTMLElement {
  const boxes = growing.drawn.map((id, i) => {
    const text = vocabulary.texts[id]!.replaceAll("␣", " ").replace("⏎", "⏎\n");
    return element("span", { class: `token tone-${i % 2}` }, text);
  });
  return element("p", {}, growing.prompt, ...boxes);
}

/** The interval, once a number can fall into it, and what happened in words. */
export function oneDraw(
  page: Page,
  { draw, isOpen, vocabulary, growing, next }: Drawing,
): { readonly picture?: HTMLElement; readonly line: HTMLElement } {
  const textOf = (id: number): string => vocabulary.texts[id]!;
  if (!draw) {
    const last = growing.drawn.at(-1);
    return next.logits && last !== undefined
      ? { line: page.words("sampling.ended", { token: quoted(textOf(last)) }) }
      : { line: page.words("sampling.full", { context: next.tokens.length - 1 }) };
  }
  const { u, token, slices } = draw;
  if (u === undefined) return { line: page.words("sampling.greedy", { token: quoted(textOf(token)) }) };
  const shown = slices.map(({ id, from, to }) => {
    return { text: textOf(id), from, to, isDrawn: isOpen && id === token };
  });
  const picture = interval(shown, isOpen ? u : undefined, page.text("sampling.interval"));
  if (!isOpen) return { picture, line: page.words("sampling.notDrawn") };
  const { from, to } = slices.find(({ id }) => id === token)!;
  const [at, least, most] = [u, from, to].map((x) => x.toFixed(4)) as [string, string, string];
  const values = { u: at, from: least, to: most, token: quoted(textOf(token)) };
  return { picture, line: page.words("sampling.fell", values) };
}

/** The likeliest tokens as the model says, and what is left of them; then all others in a line. */
export function distribution(page: Page, { vocabulary, isOpen }: Drawing, draw: DrawSteps): HTMLElement {
  const { before, cutBy, slices, token } = draw;
  const likely = likeliest(Float32Array.from(before), ROWS);
  const ids = isOpen && !likely.includes(token) ? [...likely.slice(0, -1), token] : likely;
  const after = new Map(slices.map(({ id, from, to }) => [id, to - from]));
  const nameOf = (cut: Cut): string => page.text(`sampling.${cut}`);
  const rows = ids.map((id): TokenRow => {
    const by = cutBy.get(id);
    return {
      text: vocabulary.texts[id]!,
      before: before[id]!,
      after: after.get(id) ?? 0,
      note: by && page.text("sampling.cut", { by: nameOf(by) }),
      isDrawn: isOpen && id === token,
    };
  });
  const others = before.length - ids.length;
  const share = shareText(1 - ids.reduce((sum, id) => sum + before[id]!, 0));
  const titles = {
    token: page.text("sampling.token"),
    before: page.text("sampling.before"),
    after: page.text("sampling.after"),
  };
  return element(
    "div",
    {},
    tokenRows(rows, titles),
    element("p", { class: "soft" }, page.words("sampling.others", { count: others, share })),
    element("p", { class: "soft" }, cutsLine(page, draw)),
  );
}

/** "Left of 709: 40 after top-k, 12 after top-p." */
function cutsLine(page: Page, { cuts, before }: DrawSteps): HTMLElement {
  const steps = cuts.map(({ by, left }) =>
    page.text("sampling.afterCut", { left, by: page.text(`sampling.${by}`) }),
  );
  const left = steps.length === 0 ? page.text("sampling.all") : steps.join(", ");
  return page.words("sampling.cuts", { all: before.length, left });
}
