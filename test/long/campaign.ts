/**
 * What a campaign is: trials that take minutes or hours and are not part of `npm test`. campaigns.ts lists
 * them, with what each covers.
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
  /** The campaign's own folder, for evidence and for what it needs to go on later. The folder exists. */
  readonly out: string;
  /** Progress, for whoever watches. */
  say(line: string): void;
  /** Aborted when the time is over, or at Ctrl-C: the campaign keeps what it has, and returns. */
  readonly signal: AbortSignal;
}

export interface Outcome {
  /** Lines of the table: what was tried, and how often, including earlier starts of the same campaign. */
  readonly counts: readonly (readonly [what: string, count: number | string])[];
  /** Findings: a line each, with the folder that holds the evidence. None means that all is well. */
  readonly findings: readonly string[];
  /** False: it was stopped before its end, and another start goes on. */
  readonly complete: boolean;
}
