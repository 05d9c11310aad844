/**
 * Static arena: every buffer gets a fixed byte offset, chosen before the program runs.
 * Greedy by size (largest first, lowest free offset), as in Pisarchyk & Lee 2020, arXiv:2001.03288.
 */
export interface Buffer {
  readonly name: string;
  readonly bytes: number;
  /** Steps between which it holds something, inclusive. */
  readonly first: number;
  readonly last: number;
}
export interface Placed extends Buffer {
  readonly offset: number;
}

export const ALIGN = 64; // one cache line
export const alignUp = (n: number): number => Math.ceil(n / ALIGN) * ALIGN;
const overlap = (a: Buffer, b: Buffer): boolean => a.first <= b.last && b.first <= a.last;

export function planArena(buffers: readonly Buffer[]): Placed[] {
  const placed: Placed[] = [];
  for (const b of [...buffers].sort(
    (p, q) => q.bytes - p.bytes || p.first - q.first || (p.name < q.name ? -1 : 1),
  )) {
    const busy = placed.filter((p) => overlap(p, b)).sort((p, q) => p.offset - q.offset);
    let offset = 0;
    for (const p of busy)
      if (offset + b.bytes > p.offset) offset = Math.max(offset, alignUp(p.offset + p.bytes));
    placed.push({ ...b, offset });
  }
  return placed;
}

export const arenaBytes = (placed: readonly Placed[]): number =>
  placed.reduce((end, p) => Math.max(end, p.offset + p.bytes), 0);

/** The bytes that every plan needs at least: those that are alive at the busiest step. */
export function lowerBound(buffers: readonly Buffer[]): number {
  const steps = buffers.reduce((last, b) => Math.max(last, b.last), 0) + 1;
  return Math.max(
    0,
    ...Array.from({ length: steps }, (_, i) =>
      buffers.filter((b) => b.first <= i && i <= b.last).reduce((sum, b) => sum + b.bytes, 0),
    ),
  );
}

/** Draws a row per buffer and a column per step, with ▇ while the buffer is alive. */
export function arenaLines(placed: readonly Placed[]): readonly string[] {
  const steps = placed.reduce((last, p) => Math.max(last, p.last), 0) + 1;
  const sum = placed.reduce((s, p) => s + p.bytes, 0);
  const rows = [...placed]
    .sort((a, b) => a.offset - b.offset || a.first - b.first)
    .map((p) => {
      const life = Array.from({ length: steps }, (_, i) => (i >= p.first && i <= p.last ? "▇" : "·")).join(
        "",
      );
      return `${String(p.offset).padStart(12)} ${String(p.bytes).padStart(12)}  ${life}  ${p.name}`;
    });
  return [
    `      offset        bytes  step 0…${steps - 1}`,
    ...rows,
    `arena ${arenaBytes(placed)} bytes; lower bound ${lowerBound(placed)}; without reuse ${sum}`,
  ];
}

export const printArena = (placed: readonly Placed[]): string => arenaLines(placed).join("\n") + "\n";
