/**
 * A profiled module times itself: after every kernel and every phase a worker reads the host's clock and adds
 * the difference to its own corner of memory. No other worker writes there, so nothing is shared and nobody
 * waits.
 */
import { profileFields, PROFILE_SITE_BYTES } from "../../runtime/contract/profile-site.ts";
import type { Placement } from "../7-place/place.ts";
import type { Writer } from "../ops/kit/writer.ts";

/** Counts the calls of one entry's text; writes nothing when the module is not profiled. */
export class Stopwatch {
  #site: number;
  readonly #on: boolean;

  constructor(place: { readonly firstSite: number } | undefined) {
    this.#on = place !== undefined;
    this.#site = (place?.firstSite ?? 0) - 1;
  }

  start(w: Writer): void {
    if (this.#on) w.line("let clock = now();");
  }
  /** After a kernel. */
  called(w: Writer): void {
    this.#site++;
    if (this.#on) w.line(`clock = called(${this.#site}, worker, part, clock);`);
  }
  /** After a phase: the wait belongs to its last kernel. */
  waited(w: Writer): void {
    if (this.#on && this.#site >= 0) w.line(`clock = waited(${this.#site}, worker, clock);`);
  }
}

export function profileFunctions({ profile }: Placement): string[] {
  if (!profile) return [];
  const site = "PROFILE + <usize>worker * WORKER_BYTES + <usize>site * PROFILE_SITE_BYTES";
  const add = (field: keyof typeof profileFields, amount: string): string => {
    const at = 8 * profileFields[field];
    return `store<f64>(at, load<f64>(at, ${at}) + ${amount}, ${at});`;
  };
  return [
    `const PROFILE: usize = ${profile.offset}; // the first worker's times, a piece for each site
const PROFILE_SITE_BYTES: usize = ${PROFILE_SITE_BYTES};
// @ts-ignore: decorator
@external("env", "now") declare function now(): f64;

/** Adds the milliseconds since \`clock\` at this site; gives the time. All parts are one call. */
function called(site: i32, worker: i32, part: i32, clock: f64): f64 {
  const at: usize = ${site}, time = now();
  ${add("busy", "time - clock")}
  if (part == 0) ${add("calls", "1")}
  return time;
}
function waited(site: i32, worker: i32, clock: f64): f64 {
  const at: usize = ${site}, time = now();
  ${add("waiting", "time - clock")}
  return time;
}
`,
  ];
}
