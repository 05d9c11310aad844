/**
 * Packing for matrix products: what register tiles read stands contiguous in a worker's scratch.
 *
 *   b[K,N]  → panels [K,NR]  by copying rows
 *   b[N,K]ᵀ → panels [K,NR]  by transposing blocks of 4 × 4
 *   a[K,M]ᵀ → strips [K,MR]  by copying rows
 *
 * Rows are read whole, a cache line at a time, into many panels at once: reading one line of each row would
 * miss the TLB and the prefetchers. Panels and strips therefore lie an odd number of cache lines apart
 * (`spread`), or all of them would fall into the same sets of L1.
 *
 * Where tiles use what is packed too seldom to hide that it comes from memory, it is touched first: loads
 * alone come at the rate of memory, while stores among them fill what a core has under way, and triple the
 * time (bench/EXPERIMENTS.md, 2026-11-29).
 */
import { rowsTouchedAtOnce, TOUCHED_BYTES, touchPieces } from "../../kit/touch-rows.ts";
import { transpose4 } from "../../kit/transpose.ts";
import { count, type Writer } from "../../kit/writer.ts";

/** Bytes from one panel to the next: an odd number of whole cache lines. */
export function spread(bytes: number): number {
  const lines = Math.ceil(bytes / 64);
  return 64 * (lines % 2 === 0 ? lines + 1 : lines);
}

export interface RowsToPack {
  readonly NR: number;
  readonly rowBytes: number;
  readonly panelBytes: number;
  /** So many bytes of each row at most are touched first; 0: none. */
  readonly touched: number;
}

/** A function (b, packed, steps, panels): panels [K,NR] from the rows of b, which are `rowBytes` apart. */
export function packRows(w: Writer, { NR, rowBytes, panelBytes, touched }: RowsToPack): string {
  const name = `pack_rows_${NR}_row${rowBytes}_panel${panelBytes}${touched ? `_touched${touched}` : ""}`;
  const vectors = count(NR / 4);
  return w.helper(name, (h) => {
    const pack = (steps: string): void =>
      h.block(`for (; ${steps} > 0; ${steps}--, b += ${rowBytes}, packed += ${NR * 4})`, () =>
        h.block(
          `for (let from = b, to = packed, last = b + <usize>panels * ${NR * 4}; from < last; from += ` +
            `${NR * 4}, to += ${panelBytes})`,
          () => {
            // before the stores, or V8 joins none
            h.line(`const ${vectors.map((j) => `b${j} = v128.load(from, ${16 * j})`).join(", ")};`);
            h.line(vectors.map((j) => `v128.store(to, b${j}, ${16 * j});`).join(" "));
          },
        ),
      );
    h.line(`/** packed[panels][K,${NR}] = b[K,panels·${NR}], b's rows ${rowBytes} bytes apart */`);
    h.block(`function ${name}(b: usize, packed: usize, steps: usize, panels: i32): void`, () => {
      if (!touched) return pack("steps");
      h.block("while (steps > 0)", () => {
        h.line(`let rows = min<usize>(steps, ${rowsTouchedAtOnce(touched)});`);
        h.line("steps -= rows;");
        h.line(`${touchPieces(h, rowBytes)}(b, rows, <usize>panels * ${NR * 4});`);
        pack("rows");
      });
    });
  });
}

/** Steps of k that packTransposed takes at once: a cache line of each row. */
export const TRANSPOSED_STEPS = 16;

/**
 * A function (b, panel, steps): panel[K,NR] = b[valid,K]ᵀ, with zeros in the columns from `valid` on. K is
 * taken up to the next multiple of 16.
 */
export function packTransposed(
  w: Writer,
  { NR, rowBytes, touched }: { readonly NR: number; readonly rowBytes: number; readonly touched: boolean },
  valid: number,
): string {
  const name = `pack_transposed_${valid}of${NR}_row${rowBytes}${touched ? "_touched" : ""}`;
  const whole = Math.floor(valid / 4);
  const quad = (h: Writer, rows: number): void => {
    for (const line of count(TRANSPOSED_STEPS / 4)) {
      transpose4(
        h,
        count(4).map((i) => (i < rows ? `v128.load(from, ${i * rowBytes + 16 * line})` : "ZERO")),
        `t${line}`,
      );
      for (const k of count(4)) h.line(`v128.store(to, t${line}${k}, ${(4 * line + k) * NR * 4});`);
    }
  };
  return w.helper(name, (h) => {
    h.line(
      `/** panel[K,${NR}] = b[${valid},K]ᵀ, b's rows ${rowBytes} bytes apart; a cache line of four rows ` +
        "at a time */",
    );
    h.block(`function ${name}(b: usize, panel: usize, steps: usize): void`, () => {
      h.line(
        `steps = (steps + ${TRANSPOSED_STEPS - 1}) & ~${TRANSPOSED_STEPS - 1}; // the rest of a row is zeros`,
      );
      if (valid < NR) h.line(`memory.fill(panel, 0, steps * ${NR * 4});`);
      h.line(`const end = b + steps * 4;`);
      if (touched) h.line("let touched = b;");
      h.block(`for (; b < end; b += ${TRANSPOSED_STEPS * 4})`, () => {
        if (touched)
          h.block("if (b == touched)", () => {
            h.line(`touched = min<usize>(b + ${TOUCHED_BYTES / NR}, end);`);
            h.line(`${touchPieces(h, rowBytes)}(b, ${valid}, touched - b);`);
          });
        h.line("let from = b, to = panel;");
        if (whole > 0)
          h.block(
            `for (const last = panel + ${whole * 16}; to < last; to += 16, from += ${4 * rowBytes})`,
            () => quad(h, 4),
          );
        if (valid % 4 > 0) quad(h, valid % 4);
        h.line(`panel += ${TRANSPOSED_STEPS * NR * 4};`);
      });
    });
  });
}

/**
 * A function (a, packed, steps, strips, narrow: bool): strips [K,MR] from the rows of a, which are `rowBytes`
 * apart, which are touched first. The last strip of all may be narrower, of `rest` columns.
 */
export function packColumns(
  w: Writer,
  MR: number,
  rowBytes: number,
  stripBytes: number,
  rest: number,
): string {
  const name = `pack_columns_${MR}_row${rowBytes}_strip${stripBytes}_rest${rest}`;
  const copy = (h: Writer, columns: number): void => {
    let i = 0;
    for (; i + 4 <= columns; i += 4) h.line(`v128.store(to, v128.load(from, ${4 * i}), ${4 * i});`);
    if (i + 2 <= columns) {
      h.line(`store<u64>(to, load<u64>(from, ${4 * i}), ${4 * i});`);
      i += 2;
    }
    if (i < columns) h.line(`store<u32>(to, load<u32>(from, ${4 * i}), ${4 * i});`);
  };
  return w.helper(name, (h) => {
    h.line(
      `/** packed[strips][K,${MR}] = a[K,strips·${MR}], a's rows ${rowBytes} bytes apart` +
        `${rest ? `; and a narrower one [K,${rest}]` : ""} */`,
    );
    h.block(
      `function ${name}(a: usize, packed: usize, steps: usize, strips: ` +
        `i32${rest ? ", narrow: bool" : ""}): void`,
      () => {
        h.line("let touched: usize = 0;");
        h.block(`for (let k: usize = 0; k < steps; k++)`, () => {
          h.block("if (k == touched)", () => {
            h.line(`const rows = min<usize>(steps - k, ${rowsTouchedAtOnce(rowBytes)});`);
            h.line(`${touchPieces(h, rowBytes)}(a, rows, <usize>strips * ${MR * 4});`);
            h.line("touched += rows;");
          });
          h.line(`let from = a, to = packed + k * ${MR * 4};`);
          h.block(
            `for (const last = a + <usize>strips * ${MR * 4}; from < last; from += ${MR * 4}, to += ` +
              `${stripBytes})`,
            () => copy(h, MR),
          );
          if (rest > 0)
            h.block("if (narrow)", () => {
              h.line(`to -= k * ${(MR - rest) * 4};`);
              copy(h, rest);
            });
          h.line(`a += ${rowBytes};`);
        });
      },
    );
  });
}
