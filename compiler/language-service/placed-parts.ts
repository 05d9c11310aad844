/** Where each part of a model is written: the way from a kernel back to the text. */
import { contains } from "./roles.ts";
import type { Document } from "./document.ts";
import type { PlacedPart } from "./language-service.ts";

const sections = ["embed", "layer", "output"] as const;

export function placedParts({ checked, symbols }: Document): readonly PlacedPart[] {
  return symbols.models.flatMap(({ resolved, parts }): PlacedPart[] => {
    const model = resolved.node.name.text;
    if (!checked.models.some(({ name }) => name === model)) return [];
    const placed = parts.all().flatMap(({ span, fact }): PlacedPart[] => {
      const section = sections.find((one) => resolved[one] && contains(resolved[one].span, span.start));
      return section ? [{ model, section, part: fact.name, span }] : [];
    });
    const { embed } = resolved;
    return embed ? [{ model, section: "embed", part: "token", span: embed.value.span }, ...placed] : placed;
  });
}
