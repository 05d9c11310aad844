/**
 * Functions that copy rows of a tensor into panels (panels.ts), as attention and the products of experts need
 * them: either as they are or transposed. Columns and rows that do not exist become zeros.
 */
import type { Writer } from "./writer.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "./panels.ts";
import { transpose4 } from "./transpose.ts";

/** x[rows,D] at rowBytes → panels [D/16][panelRows][16]. `rows` is the function's argument. */
export function packRowsFunction(w: Writer, D: number, rowBytes: number, panelRows: number): string {
  const name = `pack_panels_${D}_s${rowBytes}_p${panelRows}`;
  return w.helper(name, (f) => {
    f.line(
      `/** x[rows,${D}], ${rowBytes} bytes a row -> panels ` +
        `[${ceilTo(D, PANEL) / PANEL}][${panelRows}][16] */`,
    );
    f.block(`function ${name}(x: usize, panels: usize, rows: i32): void`, () => {
      f.line(`const end = panels + <usize>rows * ${PANEL_BYTES};`);
      f.block(`for (; panels < end; panels += ${PANEL_BYTES}, x += ${rowBytes})`, () => {
        for (let panel = 0; panel < D; panel += PANEL) {
          const columns = [0, 4, 8, 12].map((c) => panel + c);
          const to = (panel / PANEL) * panelRows * PANEL_BYTES;
          const loads = columns.map((c) => `x${c} = ${c < D ? loadUpTo(D - c, "x", c * 4) : "ZERO"}`);
          f.line(`const ${loads.join(", ")};`);
          f.line(columns.map((c) => `v128.store(panels, x${c}, ${to + (c - panel) * 4});`).join(" "));
        }
      });
    });
  });
}

/** Four floats, or the first `count` of them and zeros: a row's end may be the memory's end. */
function loadUpTo(count: number, pointer: string, offset: number): string {
  if (count >= 4) return `v128.load(${pointer}, ${offset})`;
  if (count === 2) return `v128.load64_zero(${pointer}, ${offset})`;
  if (count === 1) return `v128.load32_zero(${pointer}, ${offset})`;
  return `v128.load32_lane(${pointer}, v128.load64_zero(${pointer}, ${offset}), 2, ${offset + 8})`;
}

/**
 * x[rows,D] at rowBytes → panels [⌈rows/16⌉][D][16], transposed 4×4 at a time. The last panel is filled up
 * with zeros.
 */
export function packTransposedFunction(w: Writer, D: number, rowBytes: number): string {
  const name = `pack_panels_transposed_${D}_s${rowBytes}`;
  return w.helper(name, (f) => {
    f.line(
      `/** x[rows,${D}], ${rowBytes} bytes a row -> panels [rows/16][${D}][16]: sixteen rows side by side */`,
    );
    f.block(`function ${name}(x: usize, panels: usize, rows: i32): void`, () => {
      f.block(`for (let r = 0; r < rows; r += 4, x += ${4 * rowBytes})`, () => {
        f.line(`let to = panels + <usize>(r >> 4) * ${D * PANEL_BYTES} + ((r & 15) << 2);`);
        f.line(`let from = x;`);
        f.line(`const left = rows - r;`);
        f.block(`for (let c = 0; c < ${ceilTo(D, 4)}; c += 4, from += 16, to += ${4 * PANEL_BYTES})`, () => {
          const lines = (count: number): void => {
            f.line(`const x0 = ${loadUpTo(count, "from", 0)};`);
            for (const i of [1, 2, 3])
              f.line(`const x${i} = left > ${i} ? ${loadUpTo(count, "from", i * rowBytes)} : ZERO;`);
            transpose4(f, ["x0", "x1", "x2", "x3"], "t");
            for (let i = 0; i < count; i++) f.line(`v128.store(to, t${i}, ${i * PANEL_BYTES});`);
          };
          if (D % 4 === 0) lines(4);
          else if (D < 4) lines(D);
          else {
            f.block(`if (c < ${D - (D % 4)})`, () => lines(4));
            f.block(`else`, () => lines(D % 4));
          }
        });
      });
      f.line(`const filled = (rows + 3) & ~3;`);
      f.block(`for (let r = filled; (r & 15) != 0; r += 4)`, () => {
        f.line(`const to = panels + <usize>(r >> 4) * ${D * PANEL_BYTES} + ((r & 15) << 2);`);
        f.line(
          `for (let c: usize = 0; c < ${D * PANEL_BYTES}; c += ${PANEL_BYTES}) v128.store(to + c, ZERO);`,
        );
      });
    });
  });
}
