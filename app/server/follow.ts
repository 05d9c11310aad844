/**
 * A run that is still training, served: as soon as there are newer weights, they take the place of those that
 * there are, between two requests.
 */
import { setTimeout } from "node:timers/promises";
import type { RenewedFacts, Serving } from "./pool/serving.ts";

export interface Followed {
  /** The step of the newest weights that are complete. Undefined: there are none. */
  newest(): Promise<number | undefined>;
  /** Puts them into the model. */
  renew(): Promise<RenewedFacts>;
  /** Hears of the step that is served from now on, and of what went wrong. */
  renewed(step: number | undefined): void;
  failed(cause: unknown): void;
}

/** How often newer weights are looked for. */
export const LOOK_MS = 1000;

/** Looks for newer ones until the signal comes. */
export async function follow(
  serving: Serving,
  { newest, renew, renewed, failed }: Followed,
  { signal, everyMs = LOOK_MS }: { readonly signal: AbortSignal; readonly everyMs?: number },
): Promise<void> {
  for (let tried = serving.facts?.step; !signal.aborted; await pause(everyMs, signal))
    try {
      const step = await newest();
      if (step === undefined || step === tried) continue;
      await serving.renew(renew);
      tried = step;
      renewed(serving.facts?.step);
    } catch (cause) {
      failed(cause); // a folder that cannot be read now may be there again later
    }
}

/** Resolves after so long, or when the signal comes. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal }).catch(() => {});
