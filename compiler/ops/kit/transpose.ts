/**
 * A block of 4 × 4 numbers of 32 bits, transposed in registers: for packing, and for lanes that become rows.
 */
import type { Writer } from "./writer.ts";

/** `rows`: four vectors r0 … r3. Declares `${t}0` … `${t}3`, where t_k[i] = r_i[k]. */
export function transpose4(w: Writer, rows: readonly string[], t: string): void {
  const [r0, r1, r2, r3] = rows as [string, string, string, string];
  const low = (x: string, y: string): string => `i32x4.shuffle(${x}, ${y}, 0, 4, 1, 5)`;
  const high = (x: string, y: string): string => `i32x4.shuffle(${x}, ${y}, 2, 6, 3, 7)`;
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => t + name) as [string, string, string, string];
  w.line(
    `const ${a} = ${low(r0, r2)}, ${b} = ${low(r1, r3)}, ${c} = ${high(r0, r2)}, ${d} = ${high(r1, r3)};`,
  );
  w.line(`const ${t}0 = ${low(a, b)}, ${t}1 = ${high(a, b)}, ${t}2 = ${low(c, d)}, ${t}3 = ${high(c, d)};`);
}
