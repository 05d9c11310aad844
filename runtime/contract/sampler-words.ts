/**
 * How tokens of a text are drawn, as kernels read it: a row of 64 bytes for each lane, written by the host
 * before a text begins. Numbers that the sampler computes with are f64, as they are in JavaScript.
 */
import { ln } from "./exp.ts";

/** Byte offsets in a row. */
export const samplerFields = {
  /** f64 */
  temperature: 0,
  /** f64 */
  topP: 8,
  /** f64: ln min-p. A score must not be lower than the largest by more than this; −∞: all may be. */
  lowest: 16,
  /** f64: the penalty of recent tokens. */
  penalty: 24,
  /** i32; 0: all. */
  topK: 32,
  /** i32: how many tokens count as recent. */
  recent: 36,
  /** i32: ids from this one on are never drawn. */
  ids: 40,
  /** i32, 0 or 1: the model's own log-probability of the token is asked for. */
  logprobs: 44,
} as const;
export const SAMPLER_WORDS = 16;
/** The words of a random stream's state. */
export const RANDOM_WORDS = 4;

/** What stands in the place of a token when none can be drawn: a logit is not a number, or all are −∞. */
export const NO_TOKEN = -1;

export interface SamplerSettings {
  readonly temperature: number;
  /** Keep the k likeliest; 0 = all. */
  readonly topK: number;
  /** Keep the likeliest whose probabilities reach p together; 1 = all (Holtzman et al. 2020). */
  readonly topP: number;
  /** Keep what is at least this share of the likeliest; 0 = all (Nguyen et al. 2024). */
  readonly minP: number;
  /**
   * Logits of recent tokens are divided by this when positive, multiplied when negative; 1 = off (Keskar et
   * al. 2019).
   */
  readonly repeatPenalty: number;
  /** How many tokens count as recent. */
  readonly repeatLast: number;
}

/** The same for a kernel. */
export interface SamplerNumbers extends SamplerSettings {
  /** Ids from this one on are never drawn. */
  readonly ids: number;
  /** Whether the model's own log-probability of the token is asked for. */
  readonly logprobs: boolean;
}

/** A row's words. */
export function samplerWords(s: SamplerNumbers): Int32Array<ArrayBuffer> {
  const row = new DataView(new ArrayBuffer(4 * SAMPLER_WORDS));
  const at = samplerFields;
  row.setFloat64(at.temperature, s.temperature, true);
  row.setFloat64(at.topP, s.topP, true);
  row.setFloat64(at.lowest, ln(s.minP), true);
  row.setFloat64(at.penalty, s.repeatPenalty, true);
  row.setInt32(at.topK, s.topK, true);
  row.setInt32(at.recent, s.repeatLast, true);
  row.setInt32(at.ids, s.ids, true);
  row.setInt32(at.logprobs, s.logprobs ? 1 : 0, true);
  return Int32Array.from({ length: SAMPLER_WORDS }, (_, i) => row.getInt32(4 * i, true));
}
