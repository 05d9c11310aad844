/** What the thread of the training and the thread of the page server tell each other. */
import type { TrainEvent } from "../../runtime/train/events.ts";
import type { ReportStart } from "./live-report.ts";

export interface WatchStart extends ReportStart {
  /** 0: one that is free. */
  readonly port: number;
}

export type ToServer =
  | { readonly kind: "events"; readonly events: readonly TrainEvent[] }
  /** `how`: for people. */
  | { readonly kind: "end"; readonly how: string };

/** The first and only answer: where it listens, or why it cannot. */
export type FromServer = { readonly port: number } | { readonly code: string };
