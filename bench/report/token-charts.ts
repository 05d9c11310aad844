/** Tokens per second of training steps, prompts and decoding, as bars beside the peers'. */
import { counted } from "../../runtime/contract/amounts.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { BenchReport } from "../suite/bench.ts";
import { PROMPT } from "../measure/random-tokens.ts";
import { DECODED } from "../suite/bench-infer.ts";
import { sizeLine } from "../suite/bench-models.ts";
import { barChart, type Bar, type BarGroup } from "./bars.ts";
import { peerColour, targetColour, targetName } from "./colours.ts";
import { card, responsive } from "./page-frame.ts";
import { short } from "./svg.ts";

export function tokens(r: BenchReport): string {
  const charts: string[] = [];
  for (const size of new Set(r.training.map((t) => t.size))) {
    const own = r.training.filter((t) => t.size === size).map((t) => ({ ...t, limit: undefined }));
    charts.push(
      card(
        `Training steps, ${size === "gpt2" ? "GPT-2 124M" : size}: tokens per second`,
        `${sizeLine(size)}. Forward, backward, clipping and AdamW.`,
        tokenBars(r, "train", size, own),
      ),
    );
  }
  const notes = {
    prefill: `A prompt of ${PROMPT} tokens at once.`,
    decode:
      `${DECODED} tokens one by one, after those ${PROMPT}. The mark is what reading all parameters once ` +
      "per token allows at the measured bandwidth.",
  };
  for (const phase of ["prefill", "decode"] as const) {
    const own = r.inference.filter((t) => t.phase === phase);
    if (own.length > 0)
      charts.push(
        card(
          `${phase === "prefill" ? "Prefill" : "Decode"}, GPT-2 124M, f32: tokens per second`,
          notes[phase],
          tokenBars(
            r,
            phase,
            own[0]!.size,
            own.map((t) => ({ ...t, limit: t.tokensPerSecond / t.ofLimit })),
          ),
        ),
      );
  }
  return charts.join("\n");
}

interface OwnRate {
  readonly target: Target;
  readonly workers: number;
  readonly tokensPerSecond: number;
  /** What the machine allows; undefined: no mark. */
  readonly limit: number | undefined;
}

function tokenBars(r: BenchReport, what: string, which: string, own: readonly OwnRate[]): string {
  const groups = [...new Set(own.map((t) => t.workers))].map((workers): BarGroup => {
    const mine = own.filter((t) => t.workers === workers);
    const theirs = r.peerRows.filter((p) => p.what === what && p.which === which && p.threads === workers);
    const bars: Bar[] = [
      ...mine.map((t) => ({
        name: targetName(t.target),
        value: t.tokensPerSecond,
        words: short(t.tokensPerSecond),
        colour: targetColour[t.target],
        own: true,
      })),
      ...theirs.map((p) => ({
        name: p.peer,
        value: p.median,
        words: short(p.median),
        colour: peerColour(p.peer),
        own: false,
      })),
    ].sort((a, b) => b.value - a.value);
    const [first] = mine;
    const limit = what === "decode" ? first?.limit : undefined;
    return {
      name: counted(workers, "worker"),
      bars,
      ...(limit !== undefined && { limit: { value: limit, words: `limit ${short(limit)}` } }),
    };
  });
  return responsive((width) => barChart(`${what} ${which}`, groups, width));
}
