/**
 * The one line at the bottom of a terminal that is written over. It is as wide as the terminal is now, and is
 * drawn again when the width changes.
 *
 * After drawing, the cursor goes back to the line's first column. A terminal that wraps a line when it
 * becomes narrower keeps the cursor on the character where it was, so that "erase from here to the end of the
 * screen" removes all rows that the line has become, and nothing above them.
 */
import type { Io } from "./io.ts";

const ERASE = "\r\u001b[J";

export class LiveLine {
  readonly #io: Io;
  readonly #write: (text: string) => void;
  #draw: ((columns: number) => string) | undefined;
  #forget: (() => void) | undefined;

  /** `write`: where the line goes, `io.out` or `io.err`. Nothing is written where there is no terminal. */
  constructor(io: Io, write: (text: string) => void) {
    this.#io = io;
    this.#write = write;
  }

  /** `draw` makes the text for a width; it is asked again when the width changes. */
  show(draw: (columns: number) => string): void {
    if (!this.#io.tty) return;
    this.#draw = draw;
    this.#forget ??= this.#io.onResize?.(() => this.#redraw());
    this.#redraw();
  }

  /** Takes the line away, until the next `show`. */
  clear(): void {
    if (this.#draw === undefined) return;
    this.#draw = undefined;
    this.#write(ERASE);
  }

  /** Takes the line away and no longer follows the terminal. */
  end(): void {
    this.clear();
    this.#forget?.();
    this.#forget = undefined;
  }

  #redraw(): void {
    if (this.#draw === undefined) return;
    const { columns } = this.#io;
    this.#write(`${ERASE}${fitted(this.#draw(columns), columns)}\r`);
  }
}

/** One column stays free: a full line makes some terminals begin the next one. */
const fitted = (text: string, columns: number): string =>
  [...text].slice(0, Math.max(0, columns - 1)).join("");
