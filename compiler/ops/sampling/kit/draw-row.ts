/**
 * A token of one row: the chain of runtime/sample/sampler.ts, step by step, and its random numbers
 * (runtime/base/random.ts). Scratch of a worker, for rows of V columns and V′ = V rounded up to whole lines:
 *
 *   scores f32[V′] | keys u64[V′] | weights f64[V′]
 */
import { rowFloats } from "../../../../runtime/contract/tensor-layout.ts";
import { NO_TOKEN, samplerFields as field } from "../../../../runtime/contract/sampler-words.ts";
import type { Writer } from "../../kit/writer.ts";
import { keysFrom, largestKeys, nucleusKeys, spreadScores } from "./candidates.ts";
import { largestScore, weigh } from "./weights.ts";

const SCORE_BYTES = 4;
const KEY_BYTES = 8;
const WEIGHT_BYTES = 8;

export const drawScratch = (V: number): number => rowFloats(V) * (SCORE_BYTES + KEY_BYTES + WEIGHT_BYTES);

/** random_unit(state): the next number of a stream. */
const randomUnit = (w: Writer): string =>
  w.helper("random_unit", (f) => {
    f.line(
      "/** The next word of a stream whose state are four words: xoshiro128** (Blackman & Vigna 2021). */",
    );
    f.block("function random_word(state: usize): u32", () => {
      f.line("let a = load<u32>(state), b = load<u32>(state, 4), c = load<u32>(state, 8);");
      f.line("let d = load<u32>(state, 12);");
      f.line("if ((a | b | c | d) == 0) d = 1; // it never leaves the state of zeros");
      f.line("const word = rotl<u32>(b * 5, 7) * 9, shifted = b << 9;");
      f.line("c ^= a; d ^= b; b ^= c; a ^= d; c ^= shifted; d = rotl<u32>(d, 11);");
      f.line("store<u32>(state, a); store<u32>(state, b, 4);");
      f.line("store<u32>(state, c, 8); store<u32>(state, d, 12);");
      f.line("return word;");
    });
    f.line("/** A number 0 ≤ u < 1 with 53 random bits. */");
    f.block("function random_unit(state: usize): f64", () => {
      f.line("const high = random_word(state) >>> 5, low = random_word(state) >>> 6;");
      f.line("return (<f64>high * 67108864 + <f64>low) / 9007199254740992;");
    });
  });

const load = (name: Exclude<keyof typeof field, "topK" | "recent" | "ids" | "logprobs">): string =>
  `load<f64>(sampler, ${field[name]})`;
const loadWhole = (name: "topK" | "recent" | "ids" | "logprobs"): string =>
  `load<i32>(sampler, ${field[name]})`;

/** penalise(…): recent tokens get lower scores. */
const penalise = (w: Writer): string =>
  w.helper("penalise", (f) => {
    f.line(
      "/** scores[id] = logits[id] / penalty where it is positive, times penalty where it is not, for the",
    );
    f.line(" *  ids of count recent tokens. One that comes twice is penalised once. */");
    const head = "scores: usize, logits: usize, ids: i32, recent: usize, count: i32, penalty: f64";
    f.block(`function penalise(${head}): void`, () => {
      f.block("for (let i = 0; i < count; i++)", () => {
        f.line("const id = load<i32>(recent + (<usize>i << 2));");
        f.line("if (<u32>id >= <u32>ids) continue;");
        f.line("const logit = load<f32>(logits + (<usize>id << 2));");
        f.line("const score = logit > 0 ? <f64>logit / penalty : <f64>logit * penalty;");
        f.line("store<f32>(scores + (<usize>id << 2), <f32>score);");
      });
    });
    f.line("/** scores[id] = −∞ for the ids below `ids` whose bit is set. */");
    f.block("function drop_absent(scores: usize, ids: i32, absent: usize): void", () => {
      f.block("for (let from = 0; from < ids; from += 32)", () => {
        f.line("let bits = load<u32>(absent + (<usize>from >> 3));");
        f.block("for (; bits != 0; bits &= bits - 1)", () => {
          f.line("const id = from + <i32>ctz(bits);");
          f.line("if (id < ids) store<f32>(scores + (<usize>id << 2), -Infinity);");
        });
      });
    });
  });

/** draw_by_weight(…): the last step of the chain. */
const drawByWeight = (w: Writer): string =>
  w.helper("draw_by_weight", (f) => {
    randomUnit(f);
    weigh(f);
    f.line(
      "/** The first of count scores at which the sum of weights passes a random share of all; writes the",
    );
    f.line(" *  logarithm of its own share. */");
    const head = "scores: usize, count: i32, most: f32, sampler: usize, random: usize, weights: usize";
    f.block(`function draw_by_weight(${head}, logprob: usize): i32`, () => {
      f.line(`const sum = weigh(scores, count, <f64>most, ${load("temperature")}, weights);`);
      f.line("let left = random_unit(random) * sum, at = 0;");
      f.block("for (; at < count; at++)", () => {
        f.line("left -= load<f64>(weights + (<usize>at << 3));");
        f.line("if (left < 0) break;");
      });
      f.block("if (at == count)", () => {
        f.line("// the sum was rounded: the last one that has a weight");
        f.line("do at--; while (!(load<f64>(weights + (<usize>at << 3)) > 0));");
      });
      f.line("store<f32>(logprob, <f32>ln(load<f64>(weights + (<usize>at << 3)) / sum));");
      f.line("return at;");
    });
  });

/** index_of(scores, value): the lowest id with this score. */
const indexOf = (w: Writer): string =>
  w.helper("index_of", (f) => {
    f.line("/** The first place of a value that is there. */");
    f.block("function index_of(scores: usize, value: f32): i32", () => {
      f.line("const value4 = f32x4.splat(value);");
      f.line("let i: usize = 0;");
      f.line("while (!v128.any_true(f32x4.eq(v128.load(scores + (i << 2)), value4))) i += 4;");
      f.line("while (load<f32>(scores + (i << 2)) != value) i++;");
      f.line("return <i32>i;");
    });
  });

/**
 * choose_token(…): the chain from the penalties to the draw, on scores in scratch. Returns the token, or
 * NO_TOKEN; writes the logarithm of its share of what could be drawn.
 */
const chooseToken = (w: Writer, V: number): string =>
  w.helper(`choose_token_V${V}`, (f) => {
    const lines = rowFloats(V);
    largestScore(f);
    indexOf(f);
    weigh(f);
    largestKeys(f);
    nucleusKeys(f);
    keysFrom(f);
    spreadScores(f);
    drawByWeight(f);
    f.line("/** Top-k, top-p, min-p, temperature, and the draw, on `ids` scores in scratch. */");
    const head = "scratch: usize, ids: i32, sampler: usize, random: usize, logprob: usize";
    f.block(`function choose_token_V${V}(${head}): i32`, () => {
      f.line("const scores = scratch;");
      f.line(`const keys = scores + ${lines * SCORE_BYTES}, weights = keys + ${lines * KEY_BYTES};`);
      f.line("const most = largest_score(scores, ids);");
      f.line(`if (!(most > -Infinity)) return ${NO_TOKEN}; // a logit is not a number, or there is none`);
      f.line(`const k = ${loadWhole("topK")}, p = ${load("topP")}, lowest = ${load("lowest")};`);
      f.line(`if (${load("temperature")} <= 0 || k == 1) return index_of(scores, most);`);
      f.line("let count = -1; // of keys; −1: all ids, in their order");
      f.block("if (k > 0 && k < ids)", () => {
        f.line("largest_keys(scores, ids, keys, k);");
        f.line("spread_scores(keys, k, scores);");
        f.line("count = k;");
      });
      f.block("if (p < 1)", () => {
        f.line("const wanted = p * weigh(scores, count < 0 ? ids : count, <f64>most, 1, weights);");
        f.block("if (count < 0)", () => {
          f.line("count = nucleus_keys(scores, ids, most, wanted, weights, keys);");
          f.line("spread_scores(keys, count, scores);");
        });
        f.block("else", () => {
          f.line("let n = 0, sum: f64 = 0;");
          f.block("for (; n < count && sum < wanted; n++)", () => {
            f.line("const weight = load<f64>(weights + (<usize>n << 3));");
            f.line("if (weight == 0) break;");
            f.line("sum += weight;");
          });
          f.line("count = max(1, n);");
        });
      });
      f.block("if (lowest > -Infinity)", () => {
        f.line("const least = <f64>most + lowest;");
        f.block("if (count < 0)", () => {
          f.line("count = keys_from(scores, ids, least, keys);");
          f.line("spread_scores(keys, count, scores);");
        });
        f.line(
          "else while (count > 1 && !(<f64>load<f32>(scores + (<usize>(count - 1) << 2)) >= least)) count--;",
        );
      });
      f.line("if (count < 0) return draw_by_weight(scores, ids, most, sampler, random, weights, logprob);");
      f.line("for (let i = count; i & 3; i++) store<f32>(scores + (<usize>i << 2), -Infinity);");
      f.line("const at = draw_by_weight(scores, count, most, sampler, random, weights, logprob);");
      f.line("return id_of(load<u64>(keys + (<usize>at << 3)));");
    });
  });

/**
 * draw_row(…): the token that follows the logits [V], NO_TOKEN where none can be drawn. logprobs[0]: its
 * log-probability by the logits as they are, 0 unless it is asked for; logprobs[1]: that among the ids which
 * could be drawn.
 */
export const drawRow = (w: Writer, V: number): string =>
  w.helper(`draw_row_V${V}`, (f) => {
    chooseToken(f, V);
    penalise(f);
    const padded = rowFloats(V) - V;
    f.line(`/** The token after logits[${V}], of a text that has so many tokens. */`);
    const head = "logits: usize, sampler: usize, absent: usize, text: usize, length: i32, random: usize";
    f.block(`function draw_row_V${V}(${head}, logprobs: usize, scratch: usize): i32`, () => {
      f.line("const scores = scratch;");
      f.line(`memory.copy(scores, logits, ${SCORE_BYTES * V});`);
      if (padded > 0)
        f.line(
          `for (let i = ${V}; i < ${rowFloats(V)}; i++) store<f32>(scores + (<usize>i << 2), -Infinity);`,
        );
      f.line("let total: f64 = 0; // ln Σ e^logits");
      f.block(`if (${loadWhole("logprobs")})`, () => {
        f.line(`const most = <f64>largest_score(scores, ${V});`);
        f.line(`total = most + ln(weigh(scores, ${V}, most, 1, 0));`);
      });
      f.line(`const ids = min(${loadWhole("ids")}, ${V});`);
      f.line("for (let i = ids; i & 3; i++) store<f32>(scores + (<usize>i << 2), -Infinity);");
      f.line(`const penalty = ${load("penalty")}, count = min(length, ${loadWhole("recent")});`);
      f.line(
        "if (penalty != 1) penalise(scores, logits, ids, text + (<usize>(length - count) << 2), count, " +
          "penalty);",
      );
      f.line("drop_absent(scores, ids, absent);");
      f.line(`const token = choose_token_V${V}(scratch, ids, sampler, random, logprobs + 4);`);
      f.line(
        `if (token >= 0 && ${loadWhole("logprobs")}) store<f32>(logprobs, <f32>(<f64>load<f32>(logits + ` +
          "(<usize>token << 2)) - total));",
      );
      f.line("return token;");
    });
  });
