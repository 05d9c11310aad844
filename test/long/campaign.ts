/**
 * A campaign: trials that take minutes, or hours, and are not part of `npm test`. What each is called and
 * covers: campaigns.ts.
 */
export interface Campaign {
  readonly name: string;
  readonly covers: string;
  /** About how long it takes on two quiet cores, from the beginning. */
  readonly minutes: number;
  run(course: Course): Promise<Outcome>;
}

/** What a campaign is given. */
export interface Course {
  /** A folder of its own, for evidence and for what it needs to go on another time. It is there. */
  readonly out: string;
  /** Progress, for whoever watches. */
  say(line: string): void;
  /** Raised when the time given is up, or at Ctrl-C: keep what there is, and return. */
  readonly signal: AbortSignal;
}

export interface Outcome {
  /**
   * Lines of the table: what was tried, and how often. All starts together, where it goes on from an earlier
   * one.
   */
  readonly counts: readonly (readonly [what: string, count: number | string])[];
  /** What must not be, in a line each, with the folder that holds the evidence. None: all is well. */
  readonly findings: readonly string[];
  /** False: stopped before its end; another start goes on. */
  readonly complete: boolean;
}
