/**
 * Loops over the heads of a row and the columns of a head, for qk_norm. Heads lie side by side in a row, D
 * columns each, so that a head need not begin at a whole vector.
 */
import type { Writer } from "../kit/writer.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

/**
 * A loop over the columns of a head: by vectors where a head has whole pairs of them, else by single floats,
 * because the next head begins where this one ends. `body` writes the code for either.
 */
export function eachColumn(
  w: Writer,
  D: number,
  body: (
    load: (pointer: string) => string,
    store: (pointer: string, value: string) => void,
    op: Arithmetic,
  ) => void,
): void {
  if (D % 8 !== 0)
    return w.block(`for (let c: usize = 0; c < ${4 * D}; c += 4)`, () =>
      body(
        (p) => `load<f32>(${p} + c)`,
        (p, v) => w.line(`store<f32>(${p} + c, ${v});`),
        scalar,
      ),
    );
  w.block(`for (let c: usize = 0; c < ${4 * D}; c += 16)`, () =>
    body(
      (p) => `v128.load(${p} + c)`,
      (p, v) => w.line(`v128.store(${p} + c, ${v});`),
      vector,
    ),
  );
}

/** Expressions of floats or of vectors, whichever the loop is over. */
interface Arithmetic {
  mul(a: string, b: string): string;
  sub(a: string, b: string): string;
  /** A scalar local, in all lanes. */
  all(name: string): string;
  sum(total: string, a: string): string;
}
const scalar: Arithmetic = {
  mul: (a, b) => `(${a} * ${b})`,
  sub: (a, b) => `(${a} - ${b})`,
  all: (n) => n,
  sum: (t, a) => `${t} + ${a}`,
};
const vector: Arithmetic = {
  mul: (a, b) => `f32x4.mul(${a}, ${b})`,
  sub: (a, b) => `f32x4.sub(${a}, ${b})`,
  all: (n) => `f32x4.splat(${n})`,
  sum: (t, a) => `f32x4.add(${t}, ${a})`,
};

/** Declares a scalar local that is the sum of `term` over the head's columns. */
export function sumOver(
  w: Writer,
  D: number,
  name: string,
  term: (load: (pointer: string) => string, op: Arithmetic) => string,
): void {
  const wide = D % 8 === 0;
  w.line(wide ? `let ${name}4 = ZERO;` : `let ${name}: f32 = 0;`);
  eachColumn(w, D, (load, _store, op) =>
    w.line(`${wide ? `${name}4` : name} = ${op.sum(wide ? `${name}4` : name, term(load, op))};`),
  );
  if (wide)
    w.line(
      `const ${name} = (f32x4.extract_lane(${name}4, 0) + f32x4.extract_lane(${name}4, 2)) + ` +
        `(f32x4.extract_lane(${name}4, 1) + f32x4.extract_lane(${name}4, 3));`,
    );
}

/**
 * A loop over rows and their heads of queries and keys. In it, `pointers` are usize locals at the head's
 * columns, `w_h` is the address of its weights, and its rstd is at `rstd_r + (h << 2)`. The rest of a row,
 * its values, is copied.
 */
export function eachHead(
  w: Writer,
  { Q, D, H }: Readonly<Record<"Q" | "D" | "H", number>>,
  { heads }: { readonly heads: number },
  at: {
    readonly from: string;
    readonly to: string;
    readonly rstd?: string;
    readonly wq: string;
    readonly wk: string;
  },
  pointers: Readonly<Record<string, string>>,
  body: () => void,
): void {
  const bytes = rowBytes(Q);
  const normed = 4 * H * D;
  w.block("for (let r = first; r < last; r++)", () => {
    w.line(`const from_r = ${at.from} + <usize>r * ${bytes}, to_r = ${at.to} + <usize>r * ${bytes};`);
    if (at.rstd) w.line(`const rstd_r = ${at.rstd} + <usize>r * ${rowBytes(H)};`);
    w.block(`for (let h: usize = 0; h < ${H}; h++)`, () => {
      w.line(`const w_h = h < ${heads} ? ${at.wq} : ${at.wk};`);
      w.line(
        `const ${Object.entries(pointers)
          .map(([name, base]) => `${name} = ${base} + <usize>r * ${bytes} + h * ${4 * D}`)
          .join(", ")};`,
      );
      body();
    });
    if (bytes > normed)
      w.line(`if (from_r != to_r) memory.copy(to_r + ${normed}, from_r + ${normed}, ${bytes - normed});`);
  });
}
