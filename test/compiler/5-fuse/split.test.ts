/** Products and attention of few rows, computed in pieces that workers share: the same sums. */
import { describe, expect, test } from "vitest";
import { fuse } from "../../../compiler/5-fuse/fuse.ts";
import { splitFewRows } from "../../../compiler/5-fuse/split.ts";
import { dropUnread } from "../../../compiler/5-fuse/unread.ts";
import { expectSame, graphOf, opsOf, smallNames } from "../../support/small-graphs.ts";

const ALWAYS = 1; // bytes from which on a matrix is read in pieces
const NEVER = Infinity;

describe("a token's decoding in pieces", () => {
  test.each(smallNames)("%s: the same logits", (name) => {
    const whole = fuse(dropUnread(graphOf(name, "decode")));
    const pieces = splitFewRows(whole, ALWAYS);
    expectSame(whole, pieces);
    const count = (op: string): number => opsOf(pieces).filter((o) => o === op).length;
    expect(count("matmul_split")).toBeGreaterThan(0);
    expect(count("matmul_sum")).toBe(count("matmul_split"));
    expect(count("attention_merge")).toBe(count("attention_split"));
  });
});

test("what was fused into a product belongs to the sum of its pieces", () => {
  const whole = fuse(dropUnread(graphOf("gpt", "decode")));
  const sums = splitFewRows(whole, ALWAYS)
    .sections.flatMap((s) => s.nodes)
    .filter((n) => n.op === "matmul_sum");
  expect(sums.some((n) => n.ins["bias"] && n.ins["add"])).toBe(true);
});

test("short rows and many rows stay whole", () => {
  const decode = fuse(dropUnread(graphOf("gpt", "decode")));
  expect(splitFewRows(decode, NEVER)).toEqual(decode);
  const evaluate = fuse(dropUnread(graphOf("gpt", "evaluate")));
  expect(opsOf(splitFewRows(evaluate, ALWAYS))).toEqual(opsOf(evaluate));
});
