/**
 * What a run looks like while it goes: one live line on a terminal, plain lines elsewhere. Text in, text out.
 */
import type { StepEvent, TrainEvent } from "../train/events.ts";
import type { Figures } from "../train/sources/batch-source.ts";
import { duration, rateText } from "../contract/amounts.ts";
import { sparkline } from "./sparkline.ts";

/** The speed that is shown is the mean of so many steps. */
const RECENT_STEPS = 20;

/** How far a run is, after its last step. */
export interface TrainingProgress {
  readonly steps: number;
  readonly last: StepEvent;
  /** Newest validation loss. */
  readonly valid: number | undefined;
  readonly losses: readonly number[];
  /** The metrics of the last step that tell most of it: "rewards/margins 0.5123". */
  readonly figures: readonly string[];
  /** Mean of the latest steps. */
  readonly tokensPerSecond: number;
  /** Share of the machine's measured peak; undefined: not measured. */
  readonly mfu: number | undefined;
  readonly secondsLeft: number;
}

/** Turns a run's events into its progress. */
export class ProgressMeter {
  readonly #steps: number;
  readonly #flopsPerToken: number;
  readonly #peak: number | undefined;
  readonly #losses: number[] = [];
  readonly #recent: number[] = []; // ms per step, the newest last
  readonly #began = performance.now();
  readonly #headline: readonly string[];
  #first: number | undefined;
  #valid: number | undefined;

  /**
   * `peak` is the machine's best rate in FLOP/s, all workers together; undefined: not measured. `headline`:
   * the names of the metrics that are shown.
   */
  constructor(
    steps: number,
    flopsPerToken: number,
    peak: number | undefined,
    headline: readonly string[] = [],
  ) {
    this.#headline = headline;
    this.#steps = steps;
    this.#flopsPerToken = flopsPerToken;
    this.#peak = peak;
  }

  add(event: TrainEvent): TrainingProgress | undefined {
    if (event.kind === "eval") this.#valid = event.loss;
    if (event.kind !== "step") return undefined;
    this.#first ??= event.step - 1;
    this.#losses.push(event.loss);
    this.#recent.push(event.ms);
    if (this.#recent.length > RECENT_STEPS) this.#recent.shift();
    const ms = this.#recent.reduce((a, b) => a + b, 0) / this.#recent.length;
    const rate = (event.tokensPerSecond * event.ms) / ms;
    // unlike `ms`, this includes evaluations, samples and checkpoints
    const perStep = (performance.now() - this.#began) / (event.step - this.#first);
    return {
      steps: this.#steps,
      last: event,
      valid: this.#valid,
      losses: this.#losses,
      figures: figureTexts(event.metrics, this.#headline),
      tokensPerSecond: rate,
      mfu: this.#peak === undefined ? undefined : (rate * this.#flopsPerToken) / this.#peak,
      secondsLeft: ((this.#steps - event.step) * perStep) / 1000,
    };
  }
}

/**
 * What the live line shows, in order. Where it does not fit, the fields of lowest rank are left out first.
 */
const liveFields: readonly {
  readonly rank: number;
  readonly text: (s: TrainingProgress) => readonly string[];
}[] = [
  { rank: 4, text: (s) => [bar(s.last.step / s.steps, 16)] },
  { rank: 9, text: (s) => [`${s.last.step}/${s.steps}`] },
  { rank: 8, text: (s) => s.figures },
  { rank: 8, text: (s) => [`loss ${s.last.loss.toFixed(4)}`] },
  { rank: 5, text: (s) => (s.valid === undefined ? [] : [`val ${s.valid.toFixed(4)}`]) },
  { rank: 2, text: (s) => [`lr ${s.last.lr.toExponential(1)}`] },
  { rank: 1, text: (s) => [`norm ${s.last.norm.toFixed(2)}`] },
  { rank: 0, text: (s) => expertWords(s.last) },
  { rank: 6, text: (s) => [rateText(s.tokensPerSecond)] },
  { rank: 3, text: (s) => (s.mfu === undefined ? [] : [`MFU ${(s.mfu * 100).toFixed(0)}%`]) },
  { rank: 7, text: (s) => [`${duration(s.secondsLeft)} left`] },
];

export function liveLine(s: TrainingProgress, columns: number): string {
  let fields = liveFields.flatMap(({ rank, text }) => text(s).map((words) => ({ rank, words })));
  const textOf = (): string => fields.map((f) => f.words).join("  ");
  while (fields.length > 1 && textOf().length > columns - 1) {
    const least = Math.min(...fields.map((f) => f.rank));
    fields = fields.filter((f) => f.rank !== least);
  }
  const room = Math.min(24, columns - textOf().length - 3);
  return room >= 6
    ? `${textOf()}  ${sparkline(s.losses, room)}`
    : textOf().slice(0, Math.max(0, columns - 1));
}

export function plainLine(s: TrainingProgress): string {
  const { last } = s;
  return [
    `step ${last.step}/${s.steps}`,
    ...s.figures,
    `loss ${last.loss.toFixed(4)}`,
    `lr ${last.lr.toExponential(2)}`,
    `norm ${last.norm.toFixed(3)}`,
    ...expertWords(last),
    `${last.ms.toFixed(0)} ms`,
    rateText(s.tokensPerSecond),
    ...(s.mfu === undefined ? [] : [`MFU ${(s.mfu * 100).toFixed(0)}%`]),
    `${duration(s.secondsLeft)} left`,
  ].join("  ");
}

/** "reward 0.5000" for each of the metrics that is there. */
export const figureTexts = (metrics: Figures | undefined, names: readonly string[]): string[] =>
  names.flatMap((name) => {
    const value = metrics?.[name];
    return value === undefined ? [] : [`${name} ${value.toFixed(4)}`];
  });

/** Load-balancing loss, and how much more than an even share the most loaded expert had. */
const expertWords = ({ balance, overload }: StepEvent): string[] => [
  ...(balance === undefined ? [] : [`balance ${balance.toFixed(4)}`]),
  ...(overload === undefined ? [] : [`load ≤ ${overload.toFixed(2)}×`]),
];

const bar = (share: number, width: number): string =>
  "█".repeat(Math.round(share * width)).padEnd(width, "░");
