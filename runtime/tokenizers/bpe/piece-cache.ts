/**
 * What short pieces become, remembered: texts are made of the same words again and again. One place for each
 * hash, the newer piece takes it; nothing is allocated, and a hostile text can do no more than make it
 * useless.
 */
const PLACES = 1 << 15;
export const MOST_UNITS = 16;
export const MOST_IDS = 7; // longer pieces are rare, and seldom come again

export class PieceCache {
  readonly #units = new Uint16Array(PLACES * (MOST_UNITS + 1)); // length, then UTF-16 units
  readonly #ids = new Int32Array(PLACES * (MOST_IDS + 1)); // length, then ids
  #place = 0;

  /**
   * Finds text[from … to): appends its ids to `out` and returns true. Otherwise `keep` may be told next what
   * they are.
   */
  find(text: string, from: number, to: number, out: number[]): boolean {
    const length = to - from;
    let hash = length;
    // FNV-1a, Fowler, Noll & Vo
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    const place = (this.#place = (hash ^ (hash >>> 15)) & (PLACES - 1));
    const units = place * (MOST_UNITS + 1);
    if (this.#units[units] !== length) return false;
    for (let i = 0; i < length; i++)
      if (this.#units[units + 1 + i] !== text.charCodeAt(from + i)) return false;
    const ids = place * (MOST_IDS + 1);
    const count = this.#ids[ids]!;
    for (let i = 1; i <= count; i++) out.push(this.#ids[ids + i]!);
    return true;
  }

  /** The ids of the piece that was not found just now. */
  keep(text: string, from: number, to: number, found: Int32Array, count: number): void {
    if (count > MOST_IDS) return;
    const units = this.#place * (MOST_UNITS + 1);
    const ids = this.#place * (MOST_IDS + 1);
    this.#units[units] = to - from;
    for (let i = from; i < to; i++) this.#units[units + 1 + i - from] = text.charCodeAt(i);
    this.#ids[ids] = count;
    for (let i = 0; i < count; i++) this.#ids[ids + 1 + i] = found[i]!;
  }
}
