/** What the lanes of a model that is served are doing. */
import type { AskedText } from "./asked-text.ts";
import type { LaneState, ServedFacts } from "./serving.ts";

/** Those that have begun. */
export const runningOf = (asks: Iterable<AskedText>): readonly AskedText[] =>
  [...asks].filter(({ phase }) => phase !== "waiting");

export function laneStates(
  asks: Iterable<AskedText>,
  { lanes, context }: Pick<ServedFacts, "lanes" | "context">,
): readonly LaneState[] {
  const running = new Map(runningOf(asks).map((asked) => [asked.lane, asked]));
  return Array.from({ length: lanes }, (_, id) => {
    const asked = running.get(id);
    return {
      id,
      context,
      isBusy: asked !== undefined,
      promptTokens: asked?.ask.tokens.length ?? 0,
      made: asked?.counted.made ?? 0,
    };
  });
}
