/**
 * Draws a token after each text of a run: for B texts with B settings and B random streams at once, without
 * the host. The chain is llama.cpp's: repetition penalty, top-k, top-p, min-p, temperature last; it is the
 * one of runtime/sample/sampler.ts, which gives the same token from the same logits, bit for bit.
 *
 *   row i       the text of span i of the run (runtime/contract/entries.ts): lane spans[i,lane], whose tokens
 *               so far are texts[lane, 0 … start + rows − 1]
 *   logprobs    ln softmax(logits)[token], where the lane's settings ask for it; and the logarithm of its
 *               share of what could be drawn, at the temperature
 *   NO_TOKEN    a logit is not a number, or all are −∞
 *
 * A task is a row, and whoever is free takes the next one. What a row of `samplers` holds is said by
 * runtime/contract/sampler-words.ts; absent[lane] has a bit for each id.
 */
import { spanField } from "../../../runtime/contract/entries.ts";
import { randomFrom, type RandomState } from "../../../runtime/contract/xoshiro.ts";
import { exp, ln } from "../../../runtime/contract/exp.ts";
import {
  NO_TOKEN,
  SAMPLER_WORDS,
  samplerFields,
  samplerWords,
} from "../../../runtime/contract/sampler-words.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { defineOp } from "../kit/op.ts";
import { padVector } from "../kit/row-loops.ts";
import { drawRow, drawScratch } from "./kit/draw-row.ts";

export const sample_rows = defineOp(
  "logits[S,V] spans[S,4]:i32 samplers[A,16]:i32 absent[A,M]:i32 texts[A,T]:i32 random[A,4]:i32 live[1]?:i32 -> random_out[A,4]:i32 drawn[S]:i32 logprobs[S,2]",
  {
    doc: "drawn[i] = a token after the text of span i, by the settings and the random stream of its lane",
    flops: ({ S, V }) => 8 * S * V,
    mutates: { random_out: "random" },
    reference(t, { S, V, T, M }) {
      const rows = Math.min(S, t.live?.[0] ?? S);
      for (let i = 0; i < rows; i++) {
        const span = t.spans.subarray(4 * i, 4 * i + 4);
        const lane = span[spanField.lane]!;
        const length = span[spanField.start]! + span[spanField.rows]!;
        const drawn = referenceDraw(
          t.logits.subarray(i * V, (i + 1) * V),
          settingsOf(t.samplers, lane),
          t.absent.subarray(lane * M, (lane + 1) * M),
          [...t.texts.subarray(lane * T, lane * T + length)],
          t.random_out.subarray(lane * 4, (lane + 1) * 4),
        );
        t.drawn[i] = drawn.token;
        t.logprobs.set([drawn.ofModel, drawn.ofChoice], 2 * i);
      }
    },
    rows: "S",
    tasks: ({ S }) => S,
    dynamic: () => ({ fixed: 0, grain: 1 }),
    scratch: ({ V }) => drawScratch(V),
    emit(w, at, { S, V, T, M }, { has }) {
      const draw = drawRow(w, V);
      if (has("live")) w.line(`const rows = load<i32>(${at.live});`);
      w.block("for (let i = first; i < last; i++)", () => {
        if (has("live")) w.line("if (i >= rows) break;");
        w.line(`const span = ${at.spans} + <usize>i * ${rowBytes(4)};`);
        w.line(`const lane = <usize>load<i32>(span, ${4 * spanField.lane});`);
        w.line(
          `const length = load<i32>(span, ${4 * spanField.start}) + load<i32>(span, ${4 * spanField.rows});`,
        );
        w.line(`const logits_i = ${at.logits} + <usize>i * ${rowBytes(V)};`);
        w.line(`const sampler = ${at.samplers} + lane * ${rowBytes(SAMPLER_WORDS)};`);
        w.line(`const absent_i = ${at.absent} + lane * ${rowBytes(M)};`);
        w.line(
          `const text = ${at.texts} + lane * ${rowBytes(T)}, stream = ${at.random} + lane * ${rowBytes(4)};`,
        );
        w.line(`const logprobs_i = ${at.logprobs} + <usize>i * ${rowBytes(2)};`);
        w.line(`memory.fill(logprobs_i, 0, ${rowBytes(2)});`);
        w.line(
          `const token = ${draw}(logits_i, sampler, absent_i, text, length, stream, logprobs_i, scratch);`,
        );
        w.line(`store<i32>(${at.drawn} + (<usize>i << 2), token);`);
      });
      padVector(w, at.drawn, S);
    },
    sample,
    cases: [
      { d: { S: 3, V: 61, A: 3, M: 2, T: 20 }, with: ["live"] },
      { d: { S: 5, V: 16, A: 8, M: 1, T: 16 } },
      { d: { S: 1, V: 1, A: 1, M: 1, T: 8 } },
      { d: { S: 16, V: 512, A: 16, M: 16, T: 64 } },
      { d: { S: 1, V: 128256, A: 1, M: 4008, T: 64 } },
    ],
  },
);

interface Settings {
  readonly temperature: number;
  readonly topP: number;
  readonly lowest: number;
  readonly penalty: number;
  readonly topK: number;
  readonly recent: number;
  readonly ids: number;
  readonly logprobs: boolean;
}

function settingsOf(samplers: Float64Array, lane: number): Settings {
  const row = new DataView(new ArrayBuffer(4 * SAMPLER_WORDS));
  for (let i = 0; i < SAMPLER_WORDS; i++) row.setInt32(4 * i, samplers[lane * SAMPLER_WORDS + i]!, true);
  const at = samplerFields;
  const real = (field: number): number => row.getFloat64(field, true);
  const whole = (field: number): number => row.getInt32(field, true);
  return {
    temperature: real(at.temperature),
    topP: real(at.topP),
    lowest: real(at.lowest),
    penalty: real(at.penalty),
    topK: whole(at.topK),
    recent: whole(at.recent),
    ids: whole(at.ids),
    logprobs: whole(at.logprobs) !== 0,
  };
}

interface Drawn {
  readonly token: number;
  readonly ofModel: number;
  readonly ofChoice: number;
}
const nothing: Drawn = { token: NO_TOKEN, ofModel: 0, ofChoice: 0 };

/** The chain written the slow way: sort all ids, cut, draw. `random`: four words, which move on. */
function referenceDraw(
  logits: Float64Array,
  s: Settings,
  absent: Float64Array,
  text: readonly number[],
  random: Float64Array,
): Drawn {
  const scores = Float32Array.from(logits.subarray(0, Math.min(s.ids, logits.length)));
  const recent = new Set(s.recent > 0 ? text.slice(-s.recent) : []);
  for (const id of recent)
    if (s.penalty !== 1 && id < scores.length)
      scores[id] = scores[id]! > 0 ? scores[id]! / s.penalty : scores[id]! * s.penalty;
  for (const id of scores.keys()) if ((absent[id >> 5]! >> (id & 31)) & 1) scores[id] = -Infinity;
  if (!scores.every((score) => score < Infinity)) return nothing;
  const sorted = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  const most = scores[sorted[0]!]!;
  if (most === -Infinity) return nothing;
  const ofModel = (token: number): number => (s.logprobs ? logits[token]! - logSumExp(logits) : 0);
  if (s.temperature <= 0 || s.topK === 1)
    return { token: sorted[0]!, ofModel: ofModel(sorted[0]!), ofChoice: 0 };
  const isCut = s.topK > 0 && s.topK < sorted.length;
  let ids = isCut ? sorted.slice(0, s.topK) : s.topP < 1 ? sorted : [...scores.keys()];
  const weights = (t: number, of: readonly number[]): number[] =>
    of.map((id) => exp((scores[id]! - most) / t));
  if (s.topP < 1) {
    const wanted = s.topP * fourSums(weights(1, isCut ? ids : [...scores.keys()]));
    let [n, sum] = [0, 0];
    for (const weight of weights(1, ids)) if (sum < wanted && weight > 0) [n, sum] = [n + 1, sum + weight];
    ids = ids.slice(0, Math.max(1, n));
  }
  if (s.lowest > -Infinity) ids = ids.filter((id) => scores[id]! >= most + s.lowest);
  const final = weights(s.temperature, ids);
  const total = fourSums(final);
  let left = unit(random) * total;
  const passed = final.findIndex((weight) => (left -= weight) < 0);
  const at = passed < 0 ? final.findLastIndex((weight) => weight > 0) : passed;
  return { token: ids[at]!, ofModel: ofModel(ids[at]!), ofChoice: ln(final[at]! / total) };
}

/** The sum of four sums by i mod 4. */
function fourSums(values: readonly number[]): number {
  const sums = [0, 0, 0, 0];
  for (const [i, value] of values.entries()) sums[i & 3]! += value;
  return sums[0]! + sums[2]! + (sums[1]! + sums[3]!);
}

function logSumExp(logits: Float64Array): number {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return most + ln(fourSums([...logits].map((logit) => exp(logit - most))));
}

/** The next number of the stream, whose state goes on. */
function unit(state: Float64Array): number {
  const stream = randomFrom([...state] as unknown as RandomState);
  const u = stream.unit();
  state.set(stream.state().map((word) => word | 0));
  return u;
}

/** Settings that differ from lane to lane, so that each cut has its turn. */
function settingsFor(lane: number, V: number): Int32Array {
  const kinds = [
    {},
    { topK: 7, topP: 0.8 },
    { topP: 0.6 },
    { minP: 0.2 },
    { temperature: 0 },
    { topK: 3, minP: 0.1 },
  ];
  return samplerWords({
    temperature: 0.9,
    topK: 0,
    topP: 1,
    minP: 0,
    repeatPenalty: 1.25,
    repeatLast: 5,
    ids: lane === 1 ? Math.ceil(V / 2) : V,
    logprobs: lane !== 2,
    ...kinds[lane % kinds.length],
  });
}

/** Texts of five tokens, two of them new, in the lanes from the last one down. */
function sample(
  tensor: string,
  { V, A, T, M }: Readonly<Record<"V" | "A" | "T" | "M", number>>,
  noise: () => number,
  i: number,
): number {
  switch (tensor) {
    case "spans":
      return [A - 1 - (i >> 2), 3, 0, 2][i & 3]!;
    case "samplers":
      return settingsFor(Math.floor(i / SAMPLER_WORDS), V)[i % SAMPLER_WORDS]!;
    case "absent":
      return i % M === 0 && V > 8 ? 0b1000100 : 0;
    case "texts":
      return ((i % T) * 7 + 3) % V;
    case "random":
      return Math.floor(noise() * 2 ** 30);
    default:
      return 6 * noise();
  }
}
