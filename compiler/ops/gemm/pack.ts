/**
 * Packing: the panels that register tiles read, contiguous in a worker's scratch.
 *
 *   b[K,N]  → panel[K,NR]     copies        b[N,K]ᵀ → panel[K,NR]    transposes 4×4 blocks       a[K,M]ᵀ → strip[K,MR]   copies
 */
import type { Writer } from "../../writer.ts";

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** panel[K,NR] = b[0…K, 0…NR], b's rows `rowBytes` apart. A function (b, panel, steps). */
export function packRows(w: Writer, NR: number, rowBytes: number): string {
  return w.helper(`pack_rows_${NR}_row${rowBytes}`, (h) => {
    h.line(`/** panel[K,${NR}] = b[K,${NR}], b's rows ${rowBytes} bytes apart */`);
    h.block(`function pack_rows_${NR}_row${rowBytes}(b: usize, panel: usize, steps: usize): void`, () => {
      h.block(`for (const end = panel + steps * ${NR * 4}; panel < end; panel += ${NR * 4})`, () => {
        h.line(`const ${count(NR / 4).map((j) => `b${j} = v128.load(b, ${16 * j})`).join(", ")};`); // before the stores, or V8 joins none
        h.line(count(NR / 4).map((j) => `v128.store(panel, b${j}, ${16 * j});`).join(" "));
        h.line(`b += ${rowBytes};`);
      });
    });
  });
}

/** Four vectors turned: r0…r3 → t0…t3 with t_k[i] = r_i[k]. As text, since V8 joins no shuffles anyway. */
function transpose4(h: Writer, rows: readonly string[], name: string): void {
  const [r0, r1, r2, r3] = rows;
  const low = (a: string, b: string) => `i32x4.shuffle(${a}, ${b}, 0, 4, 1, 5)`, high = (a: string, b: string) => `i32x4.shuffle(${a}, ${b}, 2, 6, 3, 7)`;
  h.line(`const ${name}a = ${low(r0!, r2!)}, ${name}b = ${low(r1!, r3!)}, ${name}c = ${high(r0!, r2!)}, ${name}d = ${high(r1!, r3!)};`);
  h.line(`const ${name}0 = ${low(`${name}a`, `${name}b`)}, ${name}1 = ${high(`${name}a`, `${name}b`)}, ${name}2 = ${low(`${name}c`, `${name}d`)}, ${name}3 = ${high(`${name}c`, `${name}d`)};`);
}

/** panel[K,NR] = b[0…valid, 0…K]ᵀ, zeros in the columns from `valid`. Packs up to the next multiple of 4 of K. A function (b, panel, steps). */
export function packTransposed(w: Writer, NR: number, rowBytes: number, valid: number): string {
  const name = `pack_transposed_${valid}of${NR}_row${rowBytes}`;
  return w.helper(name, (h) => {
    h.line(`/** panel[K,${NR}] = b[${valid},K]ᵀ, b's rows ${rowBytes} bytes apart; four k at a time */`);
    h.block(`function ${name}(b: usize, panel: usize, steps: usize): void`, () => {
      h.block(`for (const end = b + ((steps + 3) & ~3) * 4; b < end; b += 16)`, () => {
        for (const q of count(NR / 4)) {
          const rows = count(4).map((i) => 4 * q + i);
          if (rows[0]! >= valid) for (const k of count(4)) h.line(`v128.store(panel, ZERO, ${k * NR * 4 + 16 * q});`);
          else {
            transpose4(h, rows.map((n) => (n < valid ? `v128.load(b, ${n * rowBytes})` : "ZERO")), `t${q}`);
            for (const k of count(4)) h.line(`v128.store(panel, t${q}${k}, ${k * NR * 4 + 16 * q});`);
          }
        }
        h.line(`panel += ${NR * 16};`);
      });
    });
  });
}

/** strip[K,MR] = a[0…K, 0…MR], a's rows `rowBytes` apart. A function (a, strip, steps). */
export function packColumns(w: Writer, MR: number, rowBytes: number): string {
  const name = `pack_columns_${MR}_row${rowBytes}`;
  return w.helper(name, (h) => {
    h.line(`/** strip[K,${MR}] = a[K,${MR}], a's rows ${rowBytes} bytes apart */`);
    h.block(`function ${name}(a: usize, strip: usize, steps: usize): void`, () => {
      h.block(`for (const end = strip + steps * ${MR * 4}; strip < end; strip += ${MR * 4})`, () => {
        let i = 0;
        for (; i + 4 <= MR; i += 4) h.line(`v128.store(strip, v128.load(a, ${4 * i}), ${4 * i});`);
        if (i + 2 <= MR) { h.line(`store<u64>(strip, load<u64>(a, ${4 * i}), ${4 * i});`); i += 2; }
        if (i < MR) h.line(`store<u32>(strip, load<u32>(a, ${4 * i}), ${4 * i});`);
        h.line(`a += ${rowBytes};`);
      });
    });
  });
}
