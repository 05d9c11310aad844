/** Analyses of the texts that were asked about last: an editor asks many questions about one. */
import { analyse } from "../../../compiler/language-service/analyse.ts";
import type { Analysis } from "../../../compiler/language-service/language-service.ts";

const REMEMBERED = 4;
/** The oldest first. */
const remembered = new Map<string, Analysis>();

export function analysisOf(text: string): Analysis {
  const known = remembered.get(text) ?? analyse(text);
  remembered.delete(text);
  remembered.set(text, known);
  const [oldest] = remembered.keys();
  if (remembered.size > REMEMBERED) remembered.delete(oldest!);
  return known;
}
