/** The report of a run that is training: its page as it is now, and who waits for a newer one. */
import type { ReportStage } from "../../runtime/report/chain.ts";
import type { PageScript } from "../../runtime/report/markup.ts";
import { htmlReport, type ReportFacts } from "../../runtime/report/training-page.ts";
import type { TrainEvent } from "../../runtime/train/events.ts";

export interface ReportStart {
  readonly facts: ReportFacts;
  readonly earlier: readonly ReportStage[];
  readonly events: readonly TrainEvent[];
}

/** A page hears of changes after this long at the earliest, and after so many times the time of a drawing. */
const LEAST_MS = 1000;
const SHARE = 20;

export class LiveReport {
  readonly #start: ReportStart;
  readonly #script: PageScript;
  readonly #events: TrainEvent[];
  readonly #over = new AbortController();
  #drawn: { readonly html: string; readonly version: number } | undefined;
  #drawnIn = 0; // milliseconds
  #ended: string | undefined;
  #waiting: (() => void)[] = [];

  constructor(start: ReportStart, script: PageScript) {
    this.#start = start;
    this.#script = script;
    this.#events = [...start.events];
  }

  /** Counts the events. */
  get version(): number {
    return this.#events.length;
  }

  /** How the run has ended; undefined: it has not. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Aborts when the run has ended. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** How long a page that has just been told of a change is not told of another: milliseconds. */
  get pauseMs(): number {
    return Math.max(LEAST_MS, SHARE * this.#drawnIn);
  }

  add(events: readonly TrainEvent[]): void {
    this.#events.push(...events);
    this.#tell();
  }

  end(how: string): void {
    this.#ended = how;
    this.#over.abort();
    this.#tell();
  }

  #tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Resolves at the next change, after so many milliseconds, or when `signal` aborts. */
  changed(ms: number, signal: AbortSignal): Promise<"changed" | "waited"> {
    return new Promise((resolve) => {
      const end = (how: "changed" | "waited"): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        resolve(how);
      };
      const changed = (): void => end("changed");
      const giveUp = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== changed);
        end("waited");
      };
      const timer = setTimeout(giveUp, ms);
      signal.addEventListener("abort", giveUp);
      this.#waiting.push(changed);
    });
  }

  html(): string {
    const { version } = this;
    if (this.#drawn?.version === version) return this.#drawn.html;
    const began = performance.now();
    const html = htmlReport(this.#start.facts, this.#events, this.#start.earlier, this.#script);
    this.#drawnIn = performance.now() - began;
    this.#drawn = { html, version };
    return html;
  }
}
