/**
 * Stretches of K: large products of few rows are summed in P stretches, each from zero, and the sums are
 * added in order (matmul_split.ts). Which products these are depends on the model alone, not on how many rows
 * there are, so that a row's bits do not either.
 */
/** Longer rows of b are long enough even where each worker reads a piece of every row. */
const LONGEST_ROW_BYTES = 64 * 1024;

/** Is the matrix [K,N] large, and are its rows short? */
export const isSplit = ({ K, N }: Readonly<Record<"K" | "N", number>>, leastBytes: number): boolean =>
  K * N * 4 >= leastBytes && N * 4 <= LONGEST_ROW_BYTES;

/** First step of stretch p of P. */
export const stretchStart = (p: number, K: number, P: number): number => Math.floor((p * K) / P);
/** The same as generated code: an i32 expression. */
export const stretchStartText = (p: string, K: number, P: number): string => `${p} * ${K} / ${P}`;
