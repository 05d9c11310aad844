/**
 * Panels are the form in which register tiles read the right factor of a product. A panel holds sixteen
 * columns (one cache line of f32), with one line for each step of the sum:
 *
 *   b[K,N]  →  panels [N/16][K][16]
 */
export const PANEL = 16;
export const PANEL_BYTES = PANEL * 4;

/** The least multiple of `step` that is not below n. */
export const ceilTo = (n: number, step: number): number => Math.ceil(n / step) * step;
