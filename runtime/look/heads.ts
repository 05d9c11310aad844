/** What a head looks at, in a few numbers, and what the model says without it. */
import { exp } from "../contract/exp.ts";
import type { RunningModel } from "../engine/model.ts";
import { lookInside, type HeadPlace, type Inside } from "./inside.ts";

/** By how much one token looks at another: T × T numbers of a head, row after row. */
export function headMap({ tokens, layers }: Inside, { layer, head }: HeadPlace): Float32Array {
  const size = tokens.length * tokens.length;
  return layers[layer]!.attention.subarray(head * size, (head + 1) * size);
}

/** Shares of what a head looks at, over all tokens but the first, which sees nothing but itself. */
export interface HeadSummary extends HeadPlace {
  readonly same: number;
  readonly previous: number;
  /** The text's first token, where it is not the previous one. */
  readonly first: number;
  /** Everything else. */
  readonly other: number;
  /** How far back it looks, in tokens. */
  readonly distance: number;
}

export function headSummaries(inside: Inside): readonly HeadSummary[] {
  return inside.layers.flatMap((_, layer) =>
    Array.from({ length: inside.heads }, (_, head) => summaryOf(inside, { layer, head })),
  );
}

function summaryOf(inside: Inside, place: HeadPlace): HeadSummary {
  const map = headMap(inside, place);
  const T = inside.tokens.length;
  const sums = { same: 0, previous: 0, first: 0, distance: 0 };
  for (let t = 1; t < T; t++) {
    sums.same += map[t * T + t]!;
    sums.previous += map[t * T + t - 1]!;
    if (t > 1) sums.first += map[t * T]!;
    for (let n = 0; n < T; n++) sums.distance += Math.abs(t - n) * map[t * T + n]!;
  }
  const rows = Math.max(1, T - 1);
  const [same, previous, first, distance] = [
    sums.same / rows,
    sums.previous / rows,
    sums.first / rows,
    sums.distance / rows,
  ];
  return { ...place, same, previous, first, other: T > 1 ? 1 - same - previous - first : 0, distance };
}

/** How the next token's probabilities change when heads are switched off. */
export interface HeadEffect {
  /** By how much each id's probability changes, most first: what the heads speak for, or against. */
  readonly changes: readonly { readonly id: number; readonly before: number; readonly after: number }[];
  /** KL(before ‖ after), in nats: 0 where the heads change nothing. */
  readonly divergence: number;
}

/** Runs the text once more without these heads. `count`: how many ids are told. */
export async function withoutHeads(
  model: RunningModel,
  { tokens, logprobs: before }: Pick<Inside, "tokens" | "logprobs">,
  heads: readonly HeadPlace[],
  { count = 5, signal }: { readonly count?: number; readonly signal?: AbortSignal } = {},
): Promise<HeadEffect> {
  const off = heads.map((head) => ({ ...head, scale: 0 }));
  const { logprobs: after } = await lookInside(model, tokens, { heads: off, signal });
  const changes = Array.from(before, (logprob, id) => ({
    id,
    before: exp(logprob),
    after: exp(after[id]!),
  })).sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before) || a.id - b.id);
  const divergence = before.reduce(
    (sum, logprob, id) => (logprob > -Infinity ? sum + exp(logprob) * (logprob - after[id]!) : sum),
    0,
  );
  return { changes: changes.slice(0, count), divergence };
}
