/**
 * How the sums of products of groups of 32 come about, as text of kernels. The layout
 * (runtime/contract/weight-rows.ts) has eight groups side by side, so that the sum in a lane is the sum of
 * one group. Sums are whole numbers, and exact whichever way is taken:
 *
 *   pairs    q8_0: weights become 16 bits, 256 times what they are, as the upper byte is there already;
 *            i32 += dot products of pairs of int16, and the scales are 256 times less
 *   bytes    q8_0, where a dot product of four int8 × uint8 is one instruction (AVX-VNNI): 128 is added to
 *            each weight, and the sums begin with what that is too much
 *   fours    q4_0: i32 += dot products of four int8 × nibble, one instruction with AVX-VNNI and on ARM
 *   opened   the same for many rows: nibbles have become bytes for the whole task (opened-weights.ts)
 *   doubles  q4_0, where that is five instructions: dot products of two in i16, where eight of them have room
 *            (8 · 2 · 127 · 15 < 2^15), extended to 32 bits once for each group
 *   plain    q4_0 without relaxed operations: the same, low and high bytes multiplied apart
 *
 * In generated code `w` and `x` are pointers to weights and activations of a block; `f` points to the scales
 * of the activations, and behind them are the starts: −8 · Σ a, or −128 · Σ a for `bytes`.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { GROUP } from "../../../../runtime/contract/number-formats.ts";
import type { IntegerFormat } from "../../../../runtime/contract/weight-rows.ts";
import { count, type Writer } from "../../kit/writer.ts";

/**
 * One half of a block: four lanes. A whole block has two of them side by side, eight lanes. `name` begins the
 * names of its locals.
 */
export interface Half {
  readonly name: string;
  /** 0 or 1. */
  readonly index: number;
}
export const LOW: Half = { name: "lo", index: 0 };
export const HIGH: Half = { name: "hi", index: 1 };
export const ALONE: Half = { name: "half", index: 0 };

/** What is multiplied: some halves of a block of one or two rows of weights with some rows of activations. */
export interface Block {
  readonly halves: readonly Half[];
  /** Rows of weights, and bytes from one to the next. */
  readonly columns: 1 | 2;
  readonly columnBytes: number;
  /** Halves that lie side by side in memory: 2, or 1 for the half that stands alone. */
  readonly beside: 1 | 2;
  readonly rows: number;
  /** Bytes from row to row of activations. */
  readonly rowBytes: number;
  /** Bytes from a row's scales to its starts. */
  readonly toStarts: number;
}

export interface GroupSums {
  /** A group's products come about in so many steps, each as many of the block's bytes. */
  readonly steps: number;
  /** Declares what the steps add to. Without it step 0 has to be told that it is the first. */
  begin(h: Writer, b: Block): void;
  /** The products of step s, counted from where `w` and `x` point to. */
  step(h: Writer, b: Block, s: number, first: boolean): void;
  /** After the last step: a sum for each half, row and column, i32, a group in each lane (`named`). */
  finish(h: Writer, b: Block): void;
}

/** The name of what row m and column n have of something: of the first column, without its number. */
export const named = (half: Half, what: string, m: number | "", n: number): string =>
  `${half.name}_${what}${m}${n === 0 ? "" : `_of${n}`}`;
/** Every row with every column. */
export const elementsIn = (b: Block): { readonly m: number; readonly n: number }[] =>
  count(b.rows).flatMap((m) => count(b.columns).map((n) => ({ m, n })));

/** One line with the same statement for each half: V8 joins the two. */
const each = (h: Writer, { halves }: Block, statement: (half: Half) => string): void =>
  h.line(halves.map(statement).join(" "));
const zeros = (h: Writer, b: Block, names: readonly string[]): void => {
  for (const { m, n } of elementsIn(b))
    each(h, b, (half) => names.map((sum) => `let ${named(half, sum, m, n)} = ZERO;`).join(" "));
};
/** The statement that adds to a sum, or declares it. */
const adding = (sum: string, term: string, first: boolean, lanes: "i16x8" | "i32x4"): string =>
  first ? `let ${sum} = ${term};` : `${sum} = ${lanes}.add(${sum}, ${term});`;
const starts = (b: Block, m: number, { index }: Half): string =>
  `v128.load(f, ${b.toStarts + m * b.rowBytes + 16 * index})`;

/** Piece c of the weights of column n. */
const weights = (b: Block, { index }: Half, c: number, n: number): string =>
  `v128.load(w, ${n * b.columnBytes + 16 * (b.beside * c + index)})`;
/** Vector v of row m of the activations. */
const numbers = (b: Block, { index }: Half, v: number, m: number): string =>
  `v128.load(x, ${m * b.rowBytes + 16 * (b.beside * v + index)})`;

const pairs: GroupSums = {
  steps: 4,
  begin: (h, b) => zeros(h, b, ["sums"]),
  step(h, b, s, first) {
    const pieces = GROUP / 4 / pairs.steps;
    for (const c of count(pieces).map((i) => s * pieces + i)) {
      for (const n of count(b.columns)) {
        each(h, b, (half) => `const ${named(half, "w", c, n)} = ${weights(b, half, c, n)};`);
        each(h, b, (half) => `const ${named(half, "u", c, n)}_0 = i16x8.shl(${named(half, "w", c, n)}, 8);`);
        each(
          h,
          b,
          (half) => `const ${named(half, "u", c, n)}_1 = v128.and(${named(half, "w", c, n)}, high);`,
        );
      }
      for (const part of count(2))
        for (const { m, n } of elementsIn(b))
          each(h, b, (half) => {
            const term = `${named(half, "u", c, n)}_${part}, ${numbers(b, half, 2 * c + part, m)}`;
            const isFirst = first && c === 0 && part === 0;
            return adding(named(half, "sums", m, n), `i32x4.dot_i16x8_s(${term})`, isFirst, "i32x4");
          });
    }
  },
  finish: () => {},
};

/**
 * The four bytes of step s in each lane: `${half}_u${s}_0` are their low nibbles, `${half}_u${s}_1` the high
 * ones. `multiply` writes what they are multiplied with, row m of part 0 or 1; `numbers` loads it.
 */
function overNibbles(
  h: Writer,
  b: Block,
  s: number,
  multiply: (half: Half, at: Element, x: string, nibbles: string) => string,
): void {
  for (const n of count(b.columns)) {
    const w = (half: Half): string => named(half, "w", s, n);
    const u = (half: Half): string => named(half, "u", s, n);
    each(h, b, (half) => `const ${w(half)} = ${weights(b, half, s, n)};`);
    each(h, b, (half) => `const ${u(half)}_0 = v128.and(${w(half)}, low);`);
    each(h, b, (half) => `const ${u(half)}_1 = v128.and(i16x8.shr_u(${w(half)}, 4), low);`);
  }
  for (const part of count(2))
    for (const { m, n } of elementsIn(b))
      each(h, b, (half) => {
        const nibbles = `${named(half, "u", s, n)}_${part}`;
        return multiply(half, { m, n, part }, numbers(b, half, 2 * s + part, m), nibbles);
      });
}
interface Element {
  readonly m: number;
  readonly n: number;
  /** 0: low nibbles, 1: high ones. */
  readonly part: number;
}

/** sum += dot products of four: signed numbers with weights from 0 on. */
const addFours = (sum: string, x: string, u: string): string =>
  `${sum} = i32x4.relaxed_dot_i8x16_i7x16_add_s(${x}, ${u}, ${sum});`;

const fours: GroupSums = {
  steps: 4,
  begin(h, b) {
    for (const { m, n } of elementsIn(b))
      each(h, b, (half) => `let ${named(half, "sums", m, n)} = ${starts(b, m, half)};`);
  },
  step(h, b, s, first) {
    if (first) fours.begin(h, b);
    overNibbles(h, b, s, (half, { m, n }, x, nibbles) => addFours(named(half, "sums", m, n), x, nibbles));
  },
  finish: () => {},
};

/** Weights that are bytes; `fromZero` writes what makes them count from 0 on. */
const wholeBytes = (fromZero: (weights: string) => string): GroupSums => ({
  steps: 8,
  begin: (h, b) => fours.begin(h, b),
  step(h, b, c, first) {
    if (first) fours.begin(h, b);
    for (const n of count(b.columns))
      each(h, b, (half) => `const ${named(half, "w", c, n)} = ${fromZero(weights(b, half, c, n))};`);
    for (const { m, n } of elementsIn(b))
      each(h, b, (half) =>
        addFours(named(half, "sums", m, n), numbers(b, half, c, m), named(half, "w", c, n)),
      );
  },
  finish: () => {},
});
const bytes = wholeBytes((w) => `v128.xor(${w}, flip)`);
const opened = wholeBytes((w) => w);

const doubles: GroupSums = {
  steps: 4,
  begin: (h, b) => zeros(h, b, ["doubles"]),
  step(h, b, s, first) {
    overNibbles(h, b, s, (half, { m, n, part }, x, nibbles) => {
      const dot = `i16x8.relaxed_dot_i8x16_i7x16_s(${x}, ${nibbles})`;
      return adding(named(half, "doubles", m, n), dot, first && part === 0, "i16x8");
    });
  },
  finish(h, b) {
    for (const { m, n } of elementsIn(b))
      each(h, b, (half) => {
        const fourfold = `i32x4.dot_i16x8_s(${named(half, "doubles", m, n)}, ones)`;
        return `const ${named(half, "sums", m, n)} = i32x4.add(${starts(b, m, half)}, ${fourfold});`;
      });
  },
};

const ENDS = ["low", "high"] as const;
const plain: GroupSums = {
  steps: 4,
  begin: (h, b) => zeros(h, b, ENDS),
  step(h, b, s, first) {
    overNibbles(h, b, s, (half, { m, n, part }, x, nibbles) => {
      const a = `${named(half, "a", m, n)}_${s}_${part}`;
      const products = ENDS.map((end) => {
        const product = `i16x8.extmul_${end}_i8x16_s(${a}, ${nibbles})`;
        return adding(named(half, end, m, n), product, first && part === 0, "i16x8");
      });
      return `const ${a} = ${x}; ${products.join(" ")}`;
    });
  },
  finish(h, b) {
    for (const { m, n } of elementsIn(b))
      each(h, b, (half) => {
        const pairsOf = (end: string): string => named(half, `${end}_pairs`, m, n);
        const two = (end: string): string => `i32x4.extadd_pairwise_i16x8_s(${named(half, end, m, n)})`;
        const of = (lanes: string): string => `i32x4.shuffle(${ENDS.map(pairsOf).join(", ")}, ${lanes})`;
        const four = `i32x4.add(${of("0, 2, 4, 6")}, ${of("1, 3, 5, 7")})`;
        return [
          ...ENDS.map((end) => `const ${pairsOf(end)} = ${two(end)};`),
          `const ${named(half, "sums", m, n)} = i32x4.add(${starts(b, m, half)}, ${four});`,
        ].join(" ");
      });
  },
};

export type SumsName = "pairs" | "bytes" | "fours" | "opened" | "doubles" | "plain";
/** One way of making sums, and its name in names of functions. */
export interface NamedSums {
  readonly name: SumsName;
  readonly sums: GroupSums;
  /** So many times what they are. */
  readonly times: number;
  /** Whether its dot products are of four, and one instruction. */
  readonly byFours: boolean;
}

/** What a kernel chooses from. */
export interface Ways {
  readonly usual: NamedSums;
  /**
   * Instead, by dot products of four that are one instruction: only the machine knows. `ask` is the call that
   * asks it.
   */
  readonly quick?: NamedSums & { ask(w: Writer): string };
  /** Instead of `quick` for many rows. */
  readonly opened?: NamedSums;
}

export function waysOf(format: IntegerFormat, target: Target): Ways {
  const relaxed = target !== "simd";
  if (format === "q8_0")
    return {
      usual: { name: "pairs", sums: pairs, times: 256, byFours: false },
      ...(relaxed && { quick: { name: "bytes", sums: bytes, times: 1, byFours: true, ask: unsignedFours } }),
    };
  if (!relaxed) return { usual: { name: "plain", sums: plain, times: 1, byFours: false } };
  return {
    usual: { name: "doubles", sums: doubles, times: 1, byFours: false },
    quick: { name: "fours", sums: fours, times: 1, byFours: true, ask: quickFours },
    opened: { name: "opened", sums: opened, times: 1, byFours: true },
  };
}

/**
 * A function that says whether a relaxed dot product of four is one instruction. Its second operand ought to
 * have 7 bits; with 8, machines differ: vpmaddubsw and vpmaddwd (five instructions in V8) stop at 32767 on
 * the way, 2 · 32767 in all.
 */
export const quickFours = (w: Writer): string =>
  asks(w, "quick_fours", "Is a relaxed dot product of four one instruction here?", `!= ${2 * 32767}`);

/** A function that says whether its second operand counts as 0 … 255, and nothing stops on the way. */
export const unsignedFours = (w: Writer): string =>
  asks(
    w,
    "unsigned_fours",
    "Does a relaxed dot product of four take bytes without a sign here?",
    `== ${4 * 127 * 255}`,
  );

/**
 * A function that compares four times 127 · 255 as this machine has it. What is multiplied depends on the
 * number of workers, lest a compiler work it out.
 */
function asks(w: Writer, name: string, question: string, is: string): string {
  return w.helper(name, (h) => {
    h.line(`/** ${question} */`);
    h.block(`function ${name}(): bool`, () => {
      h.line("const one = min(load<i32>(CONTROL_WORKERS), 1);");
      h.line(
        "const four = i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(<i8>(127 * one)), " +
          "i8x16.splat(<i8>(255 * one)), ZERO);",
      );
      h.line(`return i32x4.extract_lane(four, 0) ${is};`);
    });
  });
}
