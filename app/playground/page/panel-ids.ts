/** What the panels are called, in the order of their tabs; panels.ts leads to their code. */
export const panelIds = [
  "tour",
  "structure",
  "kernels",
  "train",
  "inside",
  "sampling",
  "teach",
  "cost",
] as const;
export type PanelId = (typeof panelIds)[number];
