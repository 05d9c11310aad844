/** What the panel's buttons do, and how far it is. */
import { SinterError } from "../../../../runtime/base/errors.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { CompileProgress } from "../../compile/compile-thread.ts";
import { openExperiment } from "../../gallery/open-experiment.ts";
import type { BroughtModel } from "../../import/bring-model.ts";
import type { Page } from "../../page/page.ts";
import { valueOf, type Value } from "../../page/value.ts";
import type { Experiment } from "../../share/experiment.ts";

export interface Trainer {
  /** Of runs that begin from now on. */
  readonly target: Value<Target>;
  readonly usesAllCores: Value<boolean>;
  /** While a spec is compiled. */
  readonly compiling: Value<CompileProgress | undefined>;
  /** Whether what is open is not what the editor and the choices say now. */
  readonly isOutdated: Value<boolean>;
  /** Opens what is not open yet and trains it, to the end or for one step. */
  start(steps?: 1): Promise<void>;
  pause(): Promise<void>;
  /** Opens the experiment as it is now, from the beginning. */
  begin(): Promise<void>;
  /** What a published model brings to its own spec, as long as the editor holds that. */
  bring(brought: BroughtModel): void;
  cancel(): void;
}

/** Threads that the page may have. */
export const coresHere = (): number => (crossOriginIsolated ? navigator.hardwareConcurrency || 1 : 1);

export function trainer(page: Page): Trainer {
  const { model, experiment, spec } = page;
  const target = valueOf<Target>("simd");
  const usesAllCores = valueOf(crossOriginIsolated);
  const compiling = valueOf<CompileProgress | undefined>(undefined);
  const isOutdated = valueOf(false);
  const look = (): void => {
    const { now: opened } = model.opened;
    isOutdated.set(
      opened !== undefined &&
        (opened.source !== spec.now.text ||
          opened.target !== target.now ||
          withoutMoves(JSON.parse(opened.experiment) as Experiment) !== withoutMoves(experiment.now)),
    );
  };
  for (const value of [spec, experiment, target, model.opened]) value.watch(look);
  // a link pins what was moved
  model.moves.watch((moves) => {
    if (model.opened.now) experiment.set({ ...experiment.now, moves });
  });

  let brought: BroughtModel | undefined;
  const begin = async (): Promise<void> => {
    const { weights, tokenizer } = brought?.spec === spec.now.text ? brought : {};
    try {
      await openExperiment(page, {
        target: target.now,
        workers: usesAllCores.now ? coresHere() : 1,
        weights,
        tokenizer,
        onProgress: (progress) => compiling.set(progress),
      });
    } catch (cause) {
      if (isGivenUp(cause)) return;
      model.failure.set(cause);
      model.state.set("failed");
    } finally {
      compiling.set(undefined);
    }
  };
  return {
    target,
    usesAllCores,
    compiling,
    isOutdated,
    begin,
    bring: (model) => (brought = model),
    async start(steps) {
      if (!model.opened.now) await begin();
      if (!model.opened.now) return;
      await (steps === 1 ? model.stepOnce() : model.train());
    },
    pause: () => model.pause(),
    cancel: () => model.close(),
  };
}

/** Moves are made on the way. */
const withoutMoves = (experiment: Experiment): string => JSON.stringify({ ...experiment, moves: [] });

const isGivenUp = (cause: unknown): boolean =>
  (cause instanceof SinterError && cause.kind === "interrupted") || (cause as Error).name === "AbortError";
