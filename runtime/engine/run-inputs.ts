/**
 * What the runtime writes before a run of tokens (contract/entries.ts): the tokens, each row's position, and
 * which rows belong to which lane. Modules of earlier releases know one lane and one span: its first position
 * and its rows, in two fields of the control block.
 */
import { spanField, SPAN_FIELDS } from "../contract/entries.ts";
import { rowFloats } from "../contract/tensor-layout.ts";
import type { Entries } from "./entries.ts";

/** Tokens at consecutive positions `start` … of one lane. */
export interface Span {
  readonly lane: number;
  readonly start: number;
  readonly tokens: readonly number[];
}

/** Returns the number of rows. */
export function writeRun(entries: Entries, spans: readonly Span[]): number {
  const tokens = entries.words("tokens")[0]!;
  const positions = entries.words("positions");
  const rows = entries.words("spans");
  let first = 0;
  for (const [s, { lane, start, tokens: ids }] of spans.entries()) {
    tokens.set(ids, first);
    for (const words of positions) for (let i = 0; i < ids.length; i++) words[first + i] = start + i;
    for (const words of rows) writeSpan(words, s, { lane, start, first, rows: ids.length });
    first += ids.length;
  }
  const { control } = entries.manifest;
  entries.setControl(control.rows, first);
  if (rows.length > 0) entries.setControl(control.spanCount, spans.length);
  else entries.setControl(control.start!, spans[0]!.start);
  return first;
}

export function writeSpan(
  words: Int32Array,
  s: number,
  values: Readonly<Record<keyof typeof spanField, number>>,
): void {
  for (const [name, field] of Object.entries(spanField))
    words[s * rowFloats(SPAN_FIELDS) + field] = values[name as keyof typeof spanField];
}
