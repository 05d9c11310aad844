/**
 * The ids that may be drawn, by falling score; of equal scores, the lower id comes first. An id and its score
 * are one whole number, so that one comparison decides:
 *
 *   key = score, its bits in an order that grows with it | ~id
 *
 * keys[count] lie in scratch, 8 bytes each. They are sorted by a heap with the least key on top: of those
 * that top-k keeps, only the least has to be known while the others are looked through.
 */
import type { Writer } from "../../kit/writer.ts";

const inlined = (w: Writer, doc: string, head: string, body: readonly string[]): void => {
  w.line(`/** ${doc} */`);
  w.line("// @ts-ignore: decorator");
  w.block(`@inline function ${head}`, () => body.forEach((line) => w.line(line)));
};

/** key_of(score, id), score_of(key), id_of(key). */
const keys = (w: Writer): string =>
  w.helper("key_of", (f) => {
    inlined(f, "A score and its id as one number.", "key_of(score: f32, id: i32): u64", [
      "const bits = reinterpret<i32>(score + 0); // −0 is 0",
      "return (<u64><u32>(bits ^ ((bits >> 31) | i32.MIN_VALUE)) << 32) | <u64>(~<u32>id);",
    ]);
    inlined(f, "The score of a key.", "score_of(key: u64): f32", [
      "const bits = <i32>(key >> 32);",
      "return reinterpret<f32>(bits < 0 ? bits ^ i32.MIN_VALUE : ~bits);",
    ]);
    inlined(f, "The id of a key.", "id_of(key: u64): i32", ["return ~<i32>key;"]);
  });

/** sink_key(keys, count, at, key), sort_keys(keys, count): a heap of keys. */
const heap = (w: Writer): string =>
  w.helper("sink_key", (f) => {
    keys(f);
    f.line("/** Puts a key at place `at` of a heap, or below: every key is at least the one above it. */");
    f.block("function sink_key(keys: usize, count: i32, at: i32, key: u64): void", () => {
      f.block("for (let child = 2 * at + 1; child < count; child = 2 * at + 1)", () => {
        f.line("let below = load<u64>(keys + (<usize>child << 3));");
        f.block("if (child + 1 < count)", () => {
          f.line("const other = load<u64>(keys + (<usize>child << 3), 8);");
          f.line("if (other < below) { below = other; child++; }");
        });
        f.line("if (below >= key) break;");
        f.line("store<u64>(keys + (<usize>at << 3), below);");
        f.line("at = child;");
      });
      f.line("store<u64>(keys + (<usize>at << 3), key);");
    });
    f.line("/** Makes a heap of keys in any order. */");
    f.block("function heap_keys(keys: usize, count: i32): void", () =>
      f.line(
        "for (let i = (count >> 1) - 1; i >= 0; i--) " +
          "sink_key(keys, count, i, load<u64>(keys + (<usize>i << 3)));",
      ),
    );
    f.line("/** Sorts a heap: the largest key comes first. */");
    f.block("function sort_keys(keys: usize, count: i32): void", () =>
      f.block("for (let last = count - 1; last > 0; last--)", () => {
        f.line("const least = load<u64>(keys), moved = load<u64>(keys + (<usize>last << 3));");
        f.line("sink_key(keys, last, 0, moved);");
        f.line("store<u64>(keys + (<usize>last << 3), least);");
      }),
    );
  });

/** largest_keys(scores, count, keys, k): top-k. */
export const largestKeys = (w: Writer): string =>
  w.helper("largest_keys", (f) => {
    heap(f);
    f.line("/** keys[k] = the k largest of count scores, k ≤ count. */");
    f.block("function largest_keys(scores: usize, count: i32, keys: usize, k: i32): void", () => {
      f.line(
        "for (let i = 0; i < k; i++) " +
          "store<u64>(keys + (<usize>i << 3), key_of(load<f32>(scores + (<usize>i << 2)), i));",
      );
      f.line("heap_keys(keys, k);");
      f.line("let least = score_of(load<u64>(keys));");
      f.block("for (let i = k; i < count; i++)", () => {
        f.line(
          "const least4 = f32x4.splat(least); // most of the vocabulary costs a quarter of a comparison",
        );
        f.line(
          "while (i + 4 <= count && !v128.any_true(f32x4.gt(v128.load(scores + (<usize>i << 2)), " +
            "least4))) i += 4;",
        );
        f.line("if (i >= count) break;");
        f.line("const score = load<f32>(scores + (<usize>i << 2));");
        f.line("if (!(score > least)) continue;");
        f.line("sink_key(keys, k, 0, key_of(score, i));");
        f.line("least = score_of(load<u64>(keys));");
      });
      f.line("sort_keys(keys, k);");
    });
  });

/** nucleus_keys(scores, count, most, wanted, weights, keys): top-p among all ids; how many. */
export const nucleusKeys = (w: Writer): string =>
  w.helper("nucleus_keys", (f) => {
    heap(f);
    f.line(
      "/** keys = the shortest beginning, by falling score, whose weights reach `wanted`; returns how many,",
    );
    f.line(" *  one at least. weights[count]: of the ids in their order. Only those near the likeliest");
    f.line(" *  are sorted, as many as it takes: what lies 708 below it has no weight. */");
    const head = "scores: usize, count: i32, most: f32, wanted: f64, weights: usize, keys: usize";
    f.block(`function nucleus_keys(${head}): i32`, () => {
      f.line("let n = 0, found = false;");
      f.block("for (let depth: f64 = 4; !found; depth *= 2)", () => {
        f.line("const least = <f64>most - depth;");
        f.line("let near = 0, mass: f64 = 0;");
        f.block("for (let i = 0; i < count; i++)", () => {
          f.line("const score = load<f32>(scores + (<usize>i << 2));");
          f.line("if (!(<f64>score >= least)) continue;");
          f.line("store<u64>(keys + (<usize>near << 3), key_of(score, i));");
          f.line("near++;");
          f.line("mass += load<f64>(weights + (<usize>i << 3));");
        });
        f.line("const last = near == count || depth > 708;");
        f.line("if (!last && mass < wanted) continue;");
        f.line("heap_keys(keys, near);");
        f.line("sort_keys(keys, near);");
        f.line("let sum: f64 = 0;");
        f.block("for (n = 0; n < near && sum < wanted; n++)", () => {
          f.line("const id = id_of(load<u64>(keys + (<usize>n << 3)));");
          f.line("const weight = load<f64>(weights + (<usize>id << 3));");
          f.line("if (weight == 0) break;");
          f.line("sum += weight;");
        });
        f.line("found = last || sum >= wanted;");
      });
      f.line("return max(1, n);");
    });
  });

/** keys_from(scores, count, least, keys): min-p among all ids, in their order; how many. */
export const keysFrom = (w: Writer): string =>
  w.helper("keys_from", (f) => {
    keys(f);
    f.line("/** keys = the ids whose scores are at least `least`, in their order; returns how many. */");
    f.block("function keys_from(scores: usize, count: i32, least: f64, keys: usize): i32", () => {
      f.line("let n = 0;");
      f.block("for (let i = 0; i < count; i++)", () => {
        f.line("const score = load<f32>(scores + (<usize>i << 2));");
        f.line("if (!(<f64>score >= least)) continue;");
        f.line("store<u64>(keys + (<usize>n << 3), key_of(score, i));");
        f.line("n++;");
      });
      f.line("return n;");
    });
  });

/** spread_scores(keys, count, scores): the keys' scores one after the other. */
export const spreadScores = (w: Writer): string =>
  w.helper("spread_scores", (f) => {
    keys(f);
    f.line("/** scores[count] = those of the keys, and −∞ behind them up to a multiple of 4. */");
    f.block("function spread_scores(keys: usize, count: i32, scores: usize): void", () => {
      f.line(
        "for (let i = 0; i < count; i++) " +
          "store<f32>(scores + (<usize>i << 2), score_of(load<u64>(keys + (<usize>i << 3))));",
      );
      f.line("for (let i = count; i & 3; i++) store<f32>(scores + (<usize>i << 2), -Infinity);");
    });
  });
