/** Means under the names that are logged. */
import type { Figures } from "./sources/batch-source.ts";

/** Without those that there was nothing to take a mean of. */
export const finite = (figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).filter(([, value]) => Number.isFinite(value)));
