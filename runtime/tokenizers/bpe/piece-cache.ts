/**
 * A cache of the ids of short pieces, since texts repeat the same words. Each hash has one slot, which the
 * newer piece takes. Nothing is allocated, and a text that was made to defeat the cache can only make it
 * useless.
 */
const SLOTS = 1 << 15;
export const MOST_UNITS = 16;
export const MOST_IDS = 7; // longer pieces are rare and seldom repeated

export class PieceCache {
  readonly #units = new Uint16Array(SLOTS * (MOST_UNITS + 1)); // length, then UTF-16 units
  readonly #ids = new Int32Array(SLOTS * (MOST_IDS + 1)); // length, then ids
  #slot = 0;

  /**
   * Looks up text[from … to). If it is found, appends its ids to `out` and returns true. Otherwise the next
   * call may be `keep`, with its ids.
   */
  find(text: string, from: number, to: number, out: number[]): boolean {
    const length = to - from;
    let hash = length;
    // FNV-1a (Fowler, Noll & Vo)
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    this.#slot = slot;
    const units = slot * (MOST_UNITS + 1);
    if (this.#units[units] !== length) return false;
    for (let i = 0; i < length; i++)
      if (this.#units[units + 1 + i] !== text.charCodeAt(from + i)) return false;
    const ids = slot * (MOST_IDS + 1);
    const count = this.#ids[ids]!;
    for (let i = 1; i <= count; i++) out.push(this.#ids[ids + i]!);
    return true;
  }

  /** Stores the ids of the piece that `find` just did not find. */
  keep(text: string, from: number, to: number, found: Int32Array, count: number): void {
    if (count > MOST_IDS) return;
    const units = this.#slot * (MOST_UNITS + 1);
    const ids = this.#slot * (MOST_IDS + 1);
    this.#units[units] = to - from;
    for (let i = from; i < to; i++) this.#units[units + 1 + i - from] = text.charCodeAt(i);
    this.#ids[ids] = count;
    for (let i = 0; i < count; i++) this.#ids[ids + 1 + i] = found[i]!;
  }
}
