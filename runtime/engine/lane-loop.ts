/**
 * The module's own loop (text-loop.ts) for texts in lanes: tokens are drawn without the host, and the lanes
 * know what has run in them. For someone who has the model to themselves (RunningModel.inTurn).
 */
import type { Lane, LaneTokens } from "./lane.ts";
import type { LoopText, LoopTokens, ModuleLoop } from "./text-loop.ts";

export class LaneLoop {
  /** Most texts of one call. */
  readonly most: number;
  readonly #loop: ModuleLoop;
  readonly #ran: (spans: readonly LaneTokens[]) => Promise<void>;

  /** `ran` notes what has run in the lanes. */
  constructor(loop: ModuleLoop, ran: (spans: readonly LaneTokens[]) => Promise<void>) {
    this.most = loop.most;
    this.#loop = loop;
    this.#ran = ran;
  }

  /** Takes a text up: all of its tokens but the last one are in the lane. */
  begin(lane: Lane, text: Omit<LoopText, "lane">): void {
    this.#loop.begin({ ...text, lane: lane.number });
  }

  /**
   * Adds up to `steps` tokens to the text of each of these lanes. Ends earlier when all texts have ended,
   * when the signal comes, or at once when no token could be drawn for one of them.
   */
  async draw(lanes: readonly Lane[], steps: number, signal?: AbortSignal): Promise<readonly LoopTokens[]> {
    const stop = (): void => this.#loop.stop();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const numbers = lanes.map(({ number }) => number);
      await this.#loop.run(numbers, steps);
      const added = numbers.map((number) => this.#loop.added(number));
      await this.#ran(lanes.map((lane, i) => ({ lane, start: added[i]!.start, tokens: added[i]!.ran })));
      return added;
    } catch (cause) {
      for (const lane of lanes) lane.lose();
      throw cause;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** Milliseconds that a module draws tokens for until the host sees them. */
const PIECE_MS = 8;

/**
 * How many steps the next call of `draw` has, where one step took so long and the last call had `steps`.
 * `pieceMs`: how long it may take.
 */
export const nextSteps = (steps: number, stepMs: number, pieceMs = PIECE_MS): number =>
  Math.max(1, Math.min(2 * steps, Math.floor(pieceMs / stepMs)));
