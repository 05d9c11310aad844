/**
 * THE table of published runs: what those who trained a model, or who looked closely, said that it took. A
 * plan's numbers stand beside them; where sources differ, both are here.
 */
import type { ModelCosts } from "./costs.ts";
import { acceleratorNamed } from "./tables/hardware.ts";
import { peakOf } from "./step-time.ts";

export interface PublishedRun {
  /** Of specs/. */
  readonly model: string;
  /** Absent: nobody has said how many. */
  readonly tokens?: number;
  readonly card: string;
  readonly said: readonly PublishedFact[];
}

export interface PublishedFact {
  readonly what: "hours" | "flops" | "dollars";
  readonly value: number;
  /** Who said it, when; and what it is, where that matters. */
  readonly source: string;
  readonly note?: string;
}

const meta = "Meta, model cards of Llama 3 and 3.1, 2024";
const epoch = "Epoch AI, training-cost-trends, 2026-04";
const RUMOUR = "a rumour: OpenAI has published neither sizes nor cost";

export const publishedRuns: readonly PublishedRun[] = [
  {
    model: "gpt2-xl",
    card: "tpu-v3",
    said: [
      {
        what: "dollars",
        value: 43_008,
        source: "karpathy/nanochat, 2025",
        note: "32 TPU v3 × 168 h × $8, a cloud's list price of 2019; hence the often quoted $50K",
      },
      { what: "dollars", value: 5_100, source: epoch, note: "hardware and energy, amortised" },
      {
        what: "dollars",
        value: 672,
        source: "karpathy/llm.c discussion 677, 2024-07",
        note: "32 B tokens on eight H100 in 24 h",
      },
    ],
  },
  {
    model: "gpt3-175b",
    tokens: 300e9,
    card: "v100",
    said: [
      { what: "flops", value: 3.14e23, source: "Brown et al. 2020, table D.1: 3640 PF-days" },
      { what: "hours", value: 3.55e6, source: epoch, note: "14.8 days on 10,000 V100" },
      { what: "dollars", value: 4.32e6, source: "AI Index 2024, cloud prices" },
      { what: "dollars", value: 2.06e6, source: epoch, note: "hardware, amortised" },
    ],
  },
  {
    model: "gpt4-rumour-16x111b",
    tokens: 13e12,
    card: "a100",
    said: [
      { what: "flops", value: 2.1e25, source: epoch, note: RUMOUR },
      { what: "hours", value: 57e6, source: epoch, note: `25,000 A100 for 2,280 h; ${RUMOUR}` },
      { what: "dollars", value: 78.4e6, source: "AI Index 2024, cloud prices", note: RUMOUR },
    ],
  },
  { model: "llama3-8b", tokens: 15e12, card: "h100", said: [{ what: "hours", value: 1.3e6, source: meta }] },
  { model: "llama3-70b", tokens: 15e12, card: "h100", said: [{ what: "hours", value: 6.4e6, source: meta }] },
  {
    model: "llama3.1-8b",
    tokens: 15e12,
    card: "h100",
    said: [{ what: "hours", value: 1.46e6, source: meta }],
  },
  {
    model: "llama3.1-70b",
    tokens: 15e12,
    card: "h100",
    said: [{ what: "hours", value: 7e6, source: meta }],
  },
  {
    model: "llama3.1-405b",
    tokens: 15.6e12,
    card: "h100",
    said: [
      { what: "flops", value: 3.8e25, source: "Grattafiori et al. 2024" },
      { what: "hours", value: 30.84e6, source: meta },
    ],
  },
];

export const publishedRunOf = (model: string): PublishedRun | undefined =>
  publishedRuns.find((run) => run.model === model);

/** 6 · N · D with the parameters that a token uses; NaN where D is not known. */
export const runFlops = ({ activeParameters }: ModelCosts, { tokens = NaN }: PublishedRun): number =>
  6 * activeParameters * tokens;

/**
 * The utilisation of a whole run that its device hours mean: 6 · N · D over what the devices could do.
 */
export function utilisationOfHours(costs: ModelCosts, run: PublishedRun, hours: number): number {
  const card = acceleratorNamed(run.card)!;
  return runFlops(costs, run) / (hours * 3600 * peakOf(card, card.peak.bf16 ? "bf16" : "fp16"));
}
