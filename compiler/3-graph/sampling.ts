/**
 * What the entry `generate` adds to a run: a token is drawn after each row, and the tokens of the texts that
 * go on are the rows of the next run (runtime/contract/entries.ts).
 */
import { LOOP_FIELDS, PROGRESS_FIELDS, type InputName } from "../../runtime/contract/entries.ts";
import { RANDOM_WORDS, SAMPLER_WORDS } from "../../runtime/contract/sampler-words.ts";
import { activation, emit, input, lanesOf, positionsOf, section, spansOf, type Builder } from "./builder.ts";
import type { Ref, Section } from "./ir.ts";

const BITS = 32;

/** `logits` [S,V]: after each row of the run. */
export function samplingSection(b: Builder, logits: Ref): Section {
  const [spanRows, classes] = b.values.get(logits.value)!.shape as [number, number];
  const lanes = lanesOf(b);
  const ofLanes = (name: InputName, columns: number): Ref => input(b, name, [lanes, columns]);
  const positions = b.model.sizes.context + 1; // the last token of a full context is drawn, and never run
  const { spans } = spansOf(b);
  const texts = ofLanes("texts", positions);
  const random = ofLanes("random", RANDOM_WORDS);
  const drawn = activation(b, "drawn", [spanRows], "i32");
  const logprobs = activation(b, "drawn_logprobs", [spanRows, 2]);
  const ids = Math.ceil(classes / BITS);
  emit(
    b,
    "sample_rows",
    {
      logits,
      spans,
      samplers: ofLanes("samplers", SAMPLER_WORDS),
      absent: ofLanes("absent", ids),
      texts,
      random,
    },
    { random_out: random, drawn, logprobs },
  );
  const state = {
    tokens: input(b, b.segment.embed ? "tokens" : "next_tokens", [b.rows]),
    positions: positionsOf(b)!,
    spans,
    rows: input(b, "rows", [1]),
    span_count: input(b, "span_count", [1]),
    loop: input(b, "loop", [LOOP_FIELDS]),
    progress: ofLanes("progress", PROGRESS_FIELDS),
    texts,
    token_logprobs: ofLanes("token_logprobs", positions),
    choice_logprobs: ofLanes("choice_logprobs", positions),
  };
  const after = Object.fromEntries(Object.entries(state).map(([name, ref]) => [`${name}_out`, ref]));
  emit(
    b,
    "advance_texts",
    { drawn, logprobs, ends: ofLanes("ends", ids), ...state },
    after as { readonly [N in keyof typeof state as `${N}_out`]: Ref },
  );
  return section(b, "sample", "sample");
}
