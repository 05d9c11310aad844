/** Logs of a base, its sft and its rl as such runs write them, for tests of what is drawn of them. */
import type { ReportStage } from "../../runtime/report/chain.ts";
import { leastDivergence } from "../../runtime/train/rl/divergence.ts";
import type { EvaluationEvent, StepEvent, TrainEvent } from "../../runtime/train/events.ts";

const stepEvent = (step: number, more: Partial<StepEvent>): StepEvent => ({
  kind: "step",
  step,
  loss: 1,
  lr: 1e-3,
  norm: 1 + 0.3 * Math.sin(step),
  ms: 20,
  tokens: step * 700,
  tokensPerSecond: 35_000 + 500 * Math.sin(step),
  ...more,
});
const evalEvent = (step: number, more: Partial<EvaluationEvent>): EvaluationEvent => ({
  kind: "eval",
  step,
  loss: 1,
  tokens: 99,
  whole: false,
  ms: 9,
  ...more,
});
const answers = (step: number, text: string): TrainEvent[] => [
  { kind: "sample", step, prompt: "What is 2 + 3?", text },
];

interface Course {
  readonly steps: number;
  step(step: number): Partial<StepEvent>;
  evaluation(step: number): Partial<EvaluationEvent>;
}

const logOf = ({ steps, step, evaluation }: Course): TrainEvent[] =>
  Array.from({ length: steps + 1 }, (_, at): TrainEvent[] => [
    ...(at > 0 ? [stepEvent(at, step(at))] : []),
    ...(at % (steps / 10) === 0 ? [evalEvent(at, evaluation(at))] : []),
  ]).flat();

/** `steps` of each stage. */
export function chainOf(steps: number): Readonly<Record<"base" | "sft" | "rl", ReportStage>> {
  const noise = (at: number): number => 0.1 * Math.sin(at * 1.7) + 0.06 * Math.sin(at * 5.3);
  const falling = (from: number, to: number, at: number): number =>
    to + (from - to) * Math.exp((-5 * at) / steps);
  const right = (at: number): number => 0.3 + 0.65 * (1 - Math.exp((-4 * at) / steps));
  const nats = (at: number): number => 1.2 * leastDivergence(right(at), 0.3) + at / steps / 10;
  const lengths = (at: number) => ({
    "completions/min_length": 1,
    "completions/mean_length": 6 + noise(at),
    "completions/max_length": 12,
  });
  const of = (loss: (at: number) => number): Course => ({
    steps,
    step: (at) => ({ loss: loss(at) + noise(at) }),
    evaluation: (at) => ({ loss: loss(at) + 0.1, bitsPerByte: 2 }),
  });
  const model = "answers";
  return {
    base: {
      facts: { stage: "train", model, data: "built-in text", steps },
      events: logOf(of((at) => falling(5.5, 0.4, at))),
    },
    sft: {
      facts: { stage: "sft", model, data: "questions.jsonl", steps, fromStep: steps },
      events: [...answers(0, "said the"), ...logOf(of((at) => falling(4, 1, at))), ...answers(steps, "4")],
    },
    rl: {
      facts: { stage: "rl", model, data: "sums.jsonl", steps, fromStep: 0.75 * steps },
      events: [
        ...answers(0, "<i>4"),
        ...logOf({
          steps,
          step: (at) => ({
            loss: noise(at) / 100,
            metrics: {
              reward: right(at) + noise(at) / 3,
              frac_reward_zero_std: 0.4 + noise(at),
              "objective/kl": nats(at),
              entropy: falling(1.2, 0.3, at) + noise(at) / 9,
              ...lengths(at),
            },
          }),
          evaluation: (at) => ({
            loss: 0,
            metrics: { reward: right(at), "pass@1": right(at), "objective/kl": nats(at), ...lengths(at) },
          }),
        }),
        ...answers(steps, "5"),
      ],
    },
  };
}
