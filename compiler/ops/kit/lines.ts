/**
 * Tensors in lines: [L,M,16], L = ⌈N/16⌉, is [M,N] cut into lines of 16 columns, with all rows' first lines
 * before their second ones. It takes as many bytes. Epilogues of products write and read it in the order in
 * which tiles come, in one stream; in rows of [M,N] each line of a tile would be in another page, of which no
 * prefetcher knows (bench/EXPERIMENTS.md, 2026-11-28).
 */
export const LINE_COLUMNS = 16;

/** L. */
export const linesOf = (N: number): number => Math.ceil(N / LINE_COLUMNS);

/** Where element [m,n] stands. */
export const placeInLines = (M: number, m: number, n: number): number =>
  (Math.floor(n / LINE_COLUMNS) * M + m) * LINE_COLUMNS + (n % LINE_COLUMNS);
