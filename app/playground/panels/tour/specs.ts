/** The models of the tour's steps: rows of the gallery, and specs that another panel trains, or none. */
import gpt2 from "../../../../specs/gpt2.sinter?raw";
import taught from "../../../../specs/taught.sinter?raw";
import { exampleOf, type Example } from "../../gallery/examples.ts";

const others: Readonly<Record<string, string>> = { gpt2, taught };

export interface TourModel {
  readonly text: string;
  /** With which it can be trained at once. */
  readonly example: Example | undefined;
}

export function modelOf(name: string): TourModel {
  const example = exampleOf(name);
  return { text: example?.spec ?? others[name]!, example };
}
