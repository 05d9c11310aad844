/**
 * THE table of panels, in the order of their tabs. A panel's code is loaded when it is first opened. To add
 * one: its folder in panels/, its texts in texts/, its row here.
 */
import type { TextKey } from "../texts/texts.ts";
import type { OpenPanel } from "./page.ts";
import type { PanelId } from "./panel-ids.ts";

export interface PanelRow {
  readonly id: PanelId;
  readonly tab: TextKey;
  /** Absent: its place is empty. */
  readonly load?: () => Promise<OpenPanel>;
}

export const panels = [
  {
    id: "tour",
    tab: "tab.tour",
    load: async () => (await import("../panels/tour/tour.ts")).openTour,
  },
  {
    id: "structure",
    tab: "tab.structure",
    load: async () => (await import("../panels/structure/structure.ts")).openStructure,
  },
  {
    id: "kernels",
    tab: "tab.kernels",
    load: async () => (await import("../panels/kernels/kernels.ts")).openKernels,
  },
  {
    id: "train",
    tab: "tab.train",
    load: async () => (await import("../panels/train/train-panel.ts")).openTrainPanel,
  },
  {
    id: "inside",
    tab: "tab.inside",
    load: async () => (await import("../panels/inside/inside.ts")).openInside,
  },
  {
    id: "sampling",
    tab: "tab.sampling",
    load: async () => (await import("../panels/sampling/sampling.ts")).openSampling,
  },
  {
    id: "teach",
    tab: "tab.teach",
    load: async () => (await import("../panels/teach/teach.ts")).openTeach,
  },
  {
    id: "cost",
    tab: "tab.cost",
    load: async () => (await import("../panels/cost/cost.ts")).openCost,
  },
] as const satisfies readonly PanelRow[];
