/**
 * The logit lens (nostalgebraist 2020): what the output would say if the model ended behind this layer. The
 * last layer's is what the model says.
 */
import type { LookEntry } from "../engine/look-entry.ts";
import { likeliest, logSumExp } from "../sample/logprobs.ts";
import { exp } from "../contract/exp.ts";
import type { Inside } from "./inside.ts";

export interface LensOptions {
  /** How many of the likeliest ids are told of each row. */
  readonly top: number;
  /** The positions that are looked at. Default: all of them. */
  readonly positions?: readonly number[] | undefined;
}

/** What would be said of one position behind one layer. */
export interface LensCell {
  /** The likeliest ids, by falling probability, and ln p of each. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
  /** ln p of the token that follows in the text; undefined at its end. */
  readonly next: number | undefined;
  /** How undecided it is, in nats. */
  readonly entropy: number;
}

export interface Lens {
  readonly positions: readonly number[];
  /** [layers + 1][positions]: as the rows enter the first layer, then behind each layer. */
  readonly rows: readonly (readonly LensCell[])[];
}

export async function lensOf(
  entry: LookEntry,
  { tokens, width, embedded, layers }: Pick<Inside, "tokens" | "width" | "embedded" | "layers">,
  { top, positions = [...tokens.keys()] }: LensOptions,
  signal?: AbortSignal,
): Promise<Lens> {
  const rows: LensCell[][] = [];
  for (const stream of [embedded, ...layers.map(({ residual }) => residual)]) {
    const cells: LensCell[] = [];
    for (let at = 0; at < positions.length; at += entry.lensRows) {
      signal?.throwIfAborted();
      const part = positions.slice(at, at + entry.lensRows);
      const logits = await entry.lens(part.map((t) => stream.subarray(t * width, (t + 1) * width)));
      for (const [i, t] of part.entries()) cells.push(cellOf(logits[i]!, top, tokens[t + 1]));
    }
    rows.push(cells);
  }
  return { positions, rows };
}

function cellOf(logits: Float32Array, top: number, next: number | undefined): LensCell {
  const total = logSumExp(logits);
  let entropy = 0;
  for (const logit of logits) if (logit > -Infinity) entropy -= exp(logit - total) * (logit - total);
  return {
    top: likeliest(logits, top).map((id) => ({ id, logprob: logits[id]! - total })),
    next: next === undefined ? undefined : logits[next]! - total,
    entropy,
  };
}
