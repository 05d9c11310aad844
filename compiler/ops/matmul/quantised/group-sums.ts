/**
 * How the sums of products of groups of 32 come about, as text of kernels. The layout
 * (runtime/contract/weight-rows.ts) has eight groups side by side, so that the sum in a lane is the sum of
 * one group. Sums are whole numbers, and exact whichever way is taken:
 *
 *   pairs    q8_0: weights are extended to 16 bits; i32 += dot products of pairs of int16
 *   bytes    q8_0, many rows, where a dot product of four int8 × uint8 is one instruction (AVX-VNNI): weights
 *            are packed by fours, and 128 is added to each (packed-weights.ts)
 *   fours    q4_0: i32 += dot products of four int8 × nibble, one instruction with AVX-VNNI and on ARM
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

/** What is multiplied: some halves of a block of one row of weights with so many rows of activations. */
export interface Block {
  readonly halves: readonly Half[];
  /** Halves that lie side by side in memory: 2, or 1 for the half that stands alone. */
  readonly beside: 1 | 2;
  readonly rows: number;
  /** Bytes from row to row of activations. */
  readonly rowBytes: number;
  /** Bytes from a row's scales to its starts. */
  readonly toStarts: number;
}

/** A group's products come about in so many steps, each a quarter of the block's bytes. */
export const STEPS = 4;

export interface GroupSums {
  /** Declares what the steps add to. Without it step 0 has to be told that it is the first. */
  begin(h: Writer, b: Block): void;
  /** The products of step s, counted from where `w` and `x` point to. */
  step(h: Writer, b: Block, s: number, first: boolean): void;
  /** After the last step: `${half}_sums${row}`, i32, a group in each lane. */
  finish(h: Writer, b: Block): void;
}

/** One line with the same statement for each half: V8 joins the two. */
const each = (h: Writer, { halves }: Block, statement: (half: Half) => string): void =>
  h.line(halves.map(statement).join(" "));
const zeros = (h: Writer, b: Block, names: readonly string[]): void => {
  for (const m of count(b.rows))
    each(h, b, ({ name }) => names.map((sum) => `let ${name}_${sum}${m} = ZERO;`).join(" "));
};
/** The statement that adds to a sum, or declares it. */
const adding = (sum: string, term: string, first: boolean, lanes: "i16x8" | "i32x4"): string =>
  first ? `let ${sum} = ${term};` : `${sum} = ${lanes}.add(${sum}, ${term});`;
const starts = (b: Block, m: number, { index }: Half): string =>
  `v128.load(f, ${b.toStarts + m * b.rowBytes + 16 * index})`;

const pairs: GroupSums = {
  begin: (h, b) => zeros(h, b, ["sums"]),
  step(h, b, s, first) {
    const pieces = GROUP / 2 / STEPS;
    for (const t of count(pieces).map((i) => s * pieces + i)) {
      each(
        h,
        b,
        ({ name, index }) => `const ${name}_w${t} = v128.load8x8_s(w, ${8 * b.beside * t + 8 * index});`,
      );
      for (const m of count(b.rows))
        each(h, b, ({ name, index }) => {
          const numbers = `v128.load(x, ${m * b.rowBytes + 16 * (b.beside * t + index)})`;
          const dot = `i32x4.dot_i16x8_s(${name}_w${t}, ${numbers})`;
          return adding(`${name}_sums${m}`, dot, first && t === 0, "i32x4");
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
  multiply: (half: Half, m: number, part: number, numbers: string, nibbles: string) => string,
): void {
  each(h, b, ({ name, index }) => `const ${name}_w${s} = v128.load(w, ${16 * (b.beside * s + index)});`);
  each(h, b, ({ name }) => `const ${name}_u${s}_0 = v128.and(${name}_w${s}, low);`);
  each(h, b, ({ name }) => `const ${name}_u${s}_1 = v128.and(i16x8.shr_u(${name}_w${s}, 4), low);`);
  for (const part of count(2))
    for (const m of count(b.rows))
      each(h, b, (half) => {
        const at = m * b.rowBytes + 16 * (b.beside * (2 * s + part) + half.index);
        return multiply(half, m, part, `v128.load(x, ${at})`, `${half.name}_u${s}_${part}`);
      });
}

const fours: GroupSums = {
  begin(h, b) {
    for (const m of count(b.rows)) each(h, b, (half) => `let ${half.name}_sums${m} = ${starts(b, m, half)};`);
  },
  step(h, b, s, first) {
    if (first) fours.begin(h, b);
    overNibbles(h, b, s, ({ name }, m, _, numbers, nibbles) => {
      const sums = `${name}_sums${m}`;
      return `${sums} = i32x4.relaxed_dot_i8x16_i7x16_add_s(${numbers}, ${nibbles}, ${sums});`;
    });
  },
  finish: () => {},
};

const bytes: GroupSums = {
  begin: (h, b) => fours.begin(h, b),
  step(h, b, s, first) {
    if (first) bytes.begin(h, b);
    const pieces = GROUP / 4 / STEPS;
    for (const c of count(pieces).map((i) => s * pieces + i)) {
      const at = (index: number): number => 16 * (b.beside * c + index);
      each(h, b, ({ name, index }) => `const ${name}_w${c} = v128.load(w, ${at(index)});`);
      for (const m of count(b.rows))
        each(h, b, ({ name, index }) => {
          const numbers = `v128.load(x, ${m * b.rowBytes + at(index)})`;
          const sums = `${name}_sums${m}`;
          return `${sums} = i32x4.relaxed_dot_i8x16_i7x16_add_s(${numbers}, ${name}_w${c}, ${sums});`;
        });
    }
  },
  finish: () => {},
};

const doubles: GroupSums = {
  begin: (h, b) => zeros(h, b, ["doubles"]),
  step(h, b, s, first) {
    overNibbles(h, b, s, ({ name }, m, part, numbers, nibbles) => {
      const dot = `i16x8.relaxed_dot_i8x16_i7x16_s(${numbers}, ${nibbles})`;
      return adding(`${name}_doubles${m}`, dot, first && part === 0, "i16x8");
    });
  },
  finish(h, b) {
    for (const m of count(b.rows))
      each(h, b, (half) => {
        const fourfold = `i32x4.dot_i16x8_s(${half.name}_doubles${m}, ones)`;
        return `const ${half.name}_sums${m} = i32x4.add(${starts(b, m, half)}, ${fourfold});`;
      });
  },
};

const ENDS = ["low", "high"] as const;
const plain: GroupSums = {
  begin: (h, b) => zeros(h, b, ENDS),
  step(h, b, s, first) {
    overNibbles(h, b, s, ({ name }, m, part, numbers, nibbles) => {
      const a = `${name}_a${m}_${s}_${part}`;
      const products = ENDS.map((end) => {
        const product = `i16x8.extmul_${end}_i8x16_s(${a}, ${nibbles})`;
        return adding(`${name}_${end}${m}`, product, first && part === 0, "i16x8");
      });
      return `const ${a} = ${numbers}; ${products.join(" ")}`;
    });
  },
  finish(h, b) {
    for (const m of count(b.rows))
      each(h, b, (half) => {
        const two = (end: string): string => `i32x4.extadd_pairwise_i16x8_s(${half.name}_${end}${m})`;
        const of = (lanes: string): string => {
          const [low, high] = ENDS.map((end) => `${half.name}_${end}_pairs${m}`);
          return `i32x4.shuffle(${low}, ${high}, ${lanes})`;
        };
        const four = `i32x4.add(${of("0, 2, 4, 6")}, ${of("1, 3, 5, 7")})`;
        return [
          ...ENDS.map((end) => `const ${half.name}_${end}_pairs${m} = ${two(end)};`),
          `const ${half.name}_sums${m} = i32x4.add(${starts(b, m, half)}, ${four});`,
        ].join(" ");
      });
  },
};

export type SumsName = "pairs" | "bytes" | "fours" | "doubles" | "plain";
/** One way of making sums, and its name in names of functions. */
export interface NamedSums {
  readonly name: SumsName;
  readonly sums: GroupSums;
}

/** What a kernel chooses from. */
export interface Ways {
  readonly usual: NamedSums;
  /** Instead, where a relaxed dot product of four is one instruction: only the machine knows. */
  readonly quickFours?: NamedSums;
  /** Instead, for many rows, where that instruction takes bytes without a sign: weights are packed for it. */
  readonly packed?: NamedSums;
}

export const waysOf = (format: IntegerFormat, target: Target): Ways =>
  format === "q8_0"
    ? {
        usual: { name: "pairs", sums: pairs },
        ...(target === "simd" ? {} : { packed: { name: "bytes", sums: bytes } }),
      }
    : target === "simd"
      ? { usual: { name: "plain", sums: plain } }
      : { usual: { name: "doubles", sums: doubles }, quickFours: { name: "fours", sums: fours } };

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
