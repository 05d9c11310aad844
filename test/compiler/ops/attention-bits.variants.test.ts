/**
 * What a row of attention over a cache gives depends on its text only: the same bits one by one, in pieces of
 * any size, beside rows of other texts in other lanes, in one kernel or in two, for any number of workers.
 */
import { describe, expect, test } from "vitest";
import { attention_cached } from "../../../compiler/ops/attention/attention_cached.ts";
import { attention_cached_q8 } from "../../../compiler/ops/attention/attention_cached_q8.ts";
import { attention_merge, attention_split } from "../../../compiler/ops/attention/attention_split.ts";
import { cacheShapes } from "../../../compiler/ops/attention/kit/cache-layout.ts";
import { DENSE } from "../../../compiler/ops/attention/windows.ts";
import { mostBlocks } from "../../../compiler/ops/attention/kit/key-blocks.ts";
import type { Op } from "../../../compiler/ops/kit/op.ts";
import { SPAN_FIELDS, spanField } from "../../../runtime/contract/entries.ts";
import type { CacheFormat } from "../../../runtime/contract/memory-formats.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { kernelBench } from "../../../bench/measure/kernel-bench.ts";
import { elements, noise, type Tensors } from "../../../bench/measure/kernel-numbers.ts";

const LONG = 120_000; // ms

interface Sizes {
  readonly name: string;
  readonly heads: number;
  readonly kv: number;
  readonly D: number;
  readonly positions: number;
  /** Positions that a row sees, and rows of the cache, which then is a ring. */
  readonly window?: number;
  readonly ring?: number;
  /** The layer's own window, where layers differ: a tensor says it. */
  readonly ofLayer?: number;
}

const cases: readonly Sizes[] = [
  { name: "one head for each", heads: 3, kv: 3, D: 16, positions: 420 },
  { name: "grouped heads", heads: 8, kv: 2, D: 8, positions: 300 },
  { name: "a group of five, odd columns", heads: 5, kv: 1, D: 6, positions: 330 },
  { name: "a window", heads: 2, kv: 1, D: 8, positions: 600, window: 100 },
  { name: "a narrow window in a ring", heads: 4, kv: 2, D: 8, positions: 400, window: 23, ring: 96 },
  {
    name: "all positions, other layers a window",
    heads: 4,
    kv: 1,
    D: 8,
    positions: 290,
    window: 20,
    ofLayer: DENSE,
  },
  { name: "a window of the layer's own", heads: 2, kv: 1, D: 8, positions: 290, window: 20, ofLayer: 70 },
  { name: "a ring through the long blocks", heads: 2, kv: 1, D: 8, positions: 1100, window: 300, ring: 368 },
];

/** `relaxed` has the arithmetic of `wide` in other tiles: grouped heads and a ring have to suffice. */
const casesFor = (target: Target): readonly Sizes[] =>
  target === "relaxed" ? cases.filter((_, i) => i === 1 || i === 4) : cases;

/** Rows of a run at the most; and lanes. */
const CHUNK = 64;
const LANES = 3;

interface Span {
  readonly lane: number;
  readonly start: number;
  readonly rows: number;
}

/** A kernel for runs of R rows: keys and values of all lanes go in and come out with the rows of `out`. */
interface Runner {
  readonly R: number;
  readonly S: number;
  run(inputs: Tensors, workers: number): Tensors;
}

const windowOf = ({ ofLayer }: Sizes): readonly string[] => (ofLayer === undefined ? [] : ["window"]);

/** Attributes of the op, and all its sizes but those of a run. */
function sizesOf({ heads, kv, D, positions, window = 0, ring }: Sizes, format: CacheFormat) {
  const { keys, values } = cacheShapes(LANES, ring ?? positions, kv, D, format);
  const attrs = { heads, kv_heads: kv, head_dim: D, window, context: positions };
  const cache: Record<string, number> =
    format === "f32"
      ? { N: keys[1]!, G: kv, D, L: keys[4]!, E: values[3]! }
      : { G: kv, N: keys[2]!, W: keys[3]! };
  return { attrs, d: { ...cache, A: LANES, Q: (heads + 2 * kv) * D, O: heads * D }, keys, values };
}

async function cached(t: Sizes, [R, S]: readonly [number, number], format: CacheFormat, target: Target) {
  const { attrs, d } = sizesOf(t, format);
  const [name, op]: readonly [string, Op] =
    format === "f32" ? ["attention_cached", attention_cached] : ["attention_cached_q8", attention_cached_q8];
  const c = { d: { ...d, R, S }, attrs, with: [...(S > 1 ? ["span_count"] : []), ...windowOf(t)] };
  const bench = await kernelBench(name, op, c, target);
  const out = new Float64Array(R * d.O); // rows that are not live are not written
  return { R, S, run: (inputs: Tensors, workers: number) => bench.run({ ...inputs, out }, { workers }) };
}

async function split(t: Sizes, target: Target): Promise<Runner> {
  const { attrs, d } = sizesOf(t, "f32");
  const { O, ...cache } = d;
  const S = mostBlocks(t.positions, t.ofLayer ?? attrs.window);
  const H = t.heads;
  const E = cacheShapes(1, 1, t.kv, t.D).values[3]!;
  const c = { d: { ...cache, R: 1, B: 1, S, H }, attrs, with: windowOf(t) };
  const parts = await kernelBench("attention_split", attention_split, c, target);
  const ends = {
    d: { S, H, E, B: 1, R: 1, O },
    attrs: { head_dim: t.D, window: attrs.window },
    with: windowOf(t),
  };
  const merge = await kernelBench("attention_merge", attention_merge, ends, target);
  const unseen = {
    attended: new Float64Array(S * H * E),
    top: new Float64Array(S * H),
    sums: new Float64Array(S * H),
  };
  return {
    R: 1,
    S: 1,
    run(inputs, workers) {
      const between = parts.run({ ...inputs, ...unseen }, { workers });
      return { ...between, ...merge.run({ ...inputs, ...between }, { workers }) };
    },
  };
}

/** All texts, run after run; `next` says what a run has. Returns out[positions,O] of each lane. */
function through(
  t: Sizes,
  format: CacheFormat,
  texts: readonly Float64Array[],
  next: (known: readonly number[]) => readonly [Runner, readonly Span[]] | undefined,
): readonly Float64Array[] {
  const { d, keys, values } = sizesOf(t, format);
  const { Q, O } = d;
  const outs = texts.map(() => new Float64Array(t.positions * O));
  const known = texts.map(() => 0);
  let cache: Tensors = {
    keys: new Float64Array(elements(keys)),
    values: new Float64Array(elements(values)),
  };
  for (let workers = 1; ; workers = (workers % 3) + 1) {
    const now = next(known);
    if (!now) return outs;
    const [{ R, S, run }, spans] = now;
    const qkv = new Float64Array(R * Q).fill(0.5);
    const table = new Float64Array(S * SPAN_FIELDS);
    let first = 0;
    for (const [i, { lane, start, rows }] of spans.entries()) {
      qkv.set(texts[lane]!.subarray(start * Q, (start + rows) * Q), first * Q);
      for (const [field, value] of Object.entries({ lane, start, first, rows }))
        table[i * SPAN_FIELDS + spanField[field as keyof typeof spanField]] = value;
      first += rows;
    }
    const window = Float64Array.of(t.ofLayer ?? 0);
    const got = run(
      { qkv, ...cache, window, spans: table, span_count: Float64Array.of(spans.length) },
      workers,
    );
    first = 0;
    for (const { lane, start, rows } of spans) {
      outs[lane]!.set(got["out"]!.subarray(first * O, (first + rows) * O), start * O);
      known[lane]! += rows;
      first += rows;
    }
    cache = { keys: got["keys_out"]!, values: got["values_out"]! };
  }
}

/** One text alone, by pieces of at most so many rows. */
const alone =
  (t: Sizes, runner: Runner, lane: number) =>
  (known: readonly number[]): readonly [Runner, readonly Span[]] | undefined => {
    const start = known[lane]!;
    const rows = Math.min(runner.R, t.positions - start);
    return rows > 0 ? [runner, [{ lane, start, rows }]] : undefined;
  };

/** Any number of rows of any lanes, in any order: often single ones, sometimes many. */
const mixed =
  (t: Sizes, runner: Runner, draw: () => number) =>
  (known: readonly number[]): readonly [Runner, readonly Span[]] | undefined => {
    const upTo = (n: number): number => Math.floor((draw() + 1) * 0.4999 * (n + 1));
    const lanes = known.map((_, lane) => lane).filter((lane) => known[lane]! < t.positions);
    if (lanes.length === 0) return undefined;
    let left = runner.R;
    const spans = lanes
      .map((lane) => ({ lane, key: draw() }))
      .sort((a, b) => a.key - b.key)
      .slice(0, 1 + upTo(lanes.length - 1))
      .flatMap(({ lane }): Span[] => {
        const most = [1, 7, left][upTo(2)]!;
        const rows = Math.min(1 + upTo(most - 1), left, t.positions - known[lane]!);
        left -= rows;
        return rows > 0 ? [{ lane, start: known[lane]!, rows }] : [];
      });
    return [runner, spans];
  };

function expectSameBits(got: Float64Array, want: Float64Array, O: number, what: string): void {
  const at = got.findIndex((v, i) => !Object.is(v, want[i]));
  const where = `row ${Math.floor(at / O)}, column ${at % O}`;
  if (at >= 0) expect.fail(`${what}: ${where} is ${got[at]}, not ${want[at]}`);
}

describe.each(targets)("%s", (target) => {
  describe.each(["f32", "q8_0"] as const)("cache in %s", (format) => {
    test.each(casesFor(target))(
      "$name",
      async (t) => {
        const { Q, O } = sizesOf(t, format).d;
        const draw = noise(3);
        const texts = Array.from({ length: LANES }, () =>
          Float64Array.from({ length: t.positions * Q }, () => Math.fround(2 * draw())),
        );
        const many = await cached(t, [CHUNK, LANES], format, target);
        const want = texts.map((_, lane) => through(t, format, texts, alone(t, many, lane))[lane]!);
        const beside = through(t, format, texts, mixed(t, many, draw));
        for (const [lane, out] of beside.entries())
          expectSameBits(out, want[lane]!, O, `lane ${lane}, mixed`);
        const singly = async (lane: number, one: Runner, what: string): Promise<void> =>
          expectSameBits(through(t, format, texts, alone(t, one, lane))[lane]!, want[lane]!, O, what);
        await singly(1, await cached(t, [1, 1], format, target), "one by one");
        if (format === "f32") await singly(2, await split(t, target), "one by one, in two kernels");
      },
      LONG,
    );
  });
});
