/** The likeliest next tokens, as bars; with a head switched off, beside what they were before. */
import type { LikelyToken } from "../../../../runtime/look/text-inside.ts";
import { distributionBars } from "../../../../runtime/report/distribution.ts";
import { drawnSvg } from "../../parts/attention-map.ts";

export function nextBars(
  place: HTMLElement,
  title: string,
  now: readonly LikelyToken[],
  off: readonly LikelyToken[] | undefined,
): void {
  place.setAttribute("aria-label", title);
  const before = new Map(now.map(({ id, probability }) => [id, probability]));
  const bars = (off ?? now).map(({ id, text, probability }) => {
    const was = off && before.get(id);
    return { text, probability, ...(was !== undefined && { before: was }) };
  });
  place.replaceChildren(drawnSvg(distributionBars(bars, title)));
}
