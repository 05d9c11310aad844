/**
 * The rows of a head are pieces of 128 or 256 bytes, far from each other, of which no prefetcher knows. Its
 * products would wait for each of them. So a task asks for all of them at once before it begins; and for
 * whole sequences, row after row, where all of their heads are this worker's, which memory answers faster
 * still (bench/EXPERIMENTS.md, 2026-11-28).
 */
import { touchFunction, touchLines } from "../../kit/touch-rows.ts";
import { LINE_BYTES } from "../../kit/row-loops.ts";
import type { Writer } from "../../kit/writer.ts";
import type { Sizes } from "./kernel-sizes.ts";

/** Rows of a sequence that a task reads or writes, and which columns of them: byte offsets, expressions. */
export interface Touched {
  readonly at: string;
  readonly rowBytes: number;
  readonly columns: readonly { readonly at: string; readonly bytes: number }[];
}

/** More than this is gone from the second cache before it is used, and comes from the third. */
const MOST_OF_HEAD = 512 * 1024;
/** So much of the third cache is one worker's. */
const MOST_OF_SEQUENCE = 2 * 1024 * 1024;

/** The columns of key/value head g in qkv: its queries', its keys', its values'. */
export const qkvColumns = ({ H, G, group, D }: Sizes): Touched["columns"] => [
  queryColumns({ group, D }),
  ...[H, H + G].map((head) => ({ at: `<usize>(${head} + g) * ${D * 4}`, bytes: D * 4 })),
];

/** The columns of its query heads in tensors [T,O]. */
export const queryColumns = ({ group, D }: Pick<Sizes, "group" | "D">): Touched["columns"][number] => ({
  at: `<usize>g * ${group * D * 4}`,
  bytes: group * D * 4,
});

/** Written where a task begins. */
export function emitTouch(w: Writer, { T, G, D }: Sizes, all: readonly Touched[]): void {
  const ofSequence = T * all.reduce((sum, { rowBytes }) => sum + rowBytes, 0);
  const ofHead = T * all.flatMap(({ columns }) => columns).reduce((sum, { bytes }) => sum + bytes, 0);
  const sequence = (): void => {
    for (const { at, rowBytes } of all) w.line(touchLines(w, at, (T * rowBytes) / LINE_BYTES));
  };
  const head = (): void => {
    for (const { at, rowBytes, columns } of all)
      for (const { at: column, bytes } of columns)
        w.line(`${touchFunction(w, bytes / LINE_BYTES)}(${at} + ${column}, ${T}, ${rowBytes});`);
  };
  const byHead = (D * 4) % LINE_BYTES === 0 && ofHead <= MOST_OF_HEAD;
  if (ofSequence > MOST_OF_SEQUENCE) return byHead ? head() : undefined;
  w.block(`if (task - g >= first && task - g + ${G} <= last)`, () => w.block("if (g == 0)", sequence));
  if (byHead) w.block("else", head);
}
