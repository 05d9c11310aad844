/** What the page would pin now, and whether a promised loss has come true. */
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import type { Opened } from "../model/model-calls.ts";
import { parseExperiment, type Experiment } from "./experiment.ts";
import type { Pinned } from "./link.ts";

/** What a page holds, of all that it holds. */
export interface Held {
  readonly spec: { readonly text: string; readonly model: string | undefined };
  readonly experiment: Experiment;
  /** The model that is open. */
  readonly opened: Opened | undefined;
  readonly events: readonly TrainEvent[];
}

/**
 * With the final loss, where what is open is what the page shows, began from its seed alone, and has made its
 * last step.
 */
export function pinnedOf(held: Held): Pinned {
  const { spec } = held;
  const { brought: _, ...experiment } = held.experiment;
  const loss = finalLoss(held);
  return {
    spec: spec.text,
    ...(spec.model === undefined ? {} : { model: spec.model }),
    experiment,
    target: "simd",
    version: COMPILER_VERSION,
    ...(loss === undefined ? {} : { loss }),
  };
}

/** Of results that are the same everywhere; `relaxed` rounds as the machine does. */
function finalLoss({ spec, experiment, opened, events }: Held): string | undefined {
  if (opened?.target !== "simd" || opened.source !== spec.text) return undefined;
  const begun = parseExperiment(opened.experiment);
  if (!begun || begun.brought !== undefined || !isSame({ ...begun, moves: [] }, { ...experiment, moves: [] }))
    return undefined;
  const last = events.findLast((event) => event.kind === "step");
  return last?.step === experiment.steps ? String(last.loss) : undefined;
}

/**
 * waiting: the training has not come to its end. kept, broken: it has, with the promised loss or another one.
 * changed: this is another experiment than the promise was made for.
 */
export type Verdict = "waiting" | "kept" | "broken" | "changed";

export function verdictOn(promised: Pinned, now: Pinned): Verdict {
  const isOther =
    promised.spec !== now.spec ||
    (promised.model ?? now.model) !== (now.model ?? promised.model) ||
    !isSame(promised.experiment, now.experiment);
  if (isOther) return "changed";
  if (now.loss === undefined || promised.loss === undefined) return "waiting";
  return now.loss === promised.loss ? "kept" : "broken";
}

/** Field by field: a link has them in an order of its own. */
const isSame = (a: Experiment, b: Experiment): boolean => fields(a) === fields(b);
const fields = ({ example, data, seed, steps, moves }: Experiment): string =>
  JSON.stringify([
    example,
    data.kind === "own" ? data.text : data.id,
    data.kind,
    seed,
    steps,
    moves.map(({ step, setting, to }) => [step, setting, to]),
  ]);
