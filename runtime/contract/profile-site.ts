import type { Activation } from "./model.ts";

/**
 * What a module that was compiled to be profiled keeps for each worker and each site, a call in an entry's
 * text: three f64. Kernels add to them, the runtime reads them.
 */
export const profileFields = {
  /** Milliseconds in the kernel. */
  busy: 0,
  /** Milliseconds at the barrier after it. */
  waiting: 1,
  calls: 2,
} as const;
export const PROFILE_SITE_FIELDS = Object.keys(profileFields).length;
export const PROFILE_SITE_BYTES = 8 * PROFILE_SITE_FIELDS;

/**
 * Functions of one number that cost much more than a multiply-add. `_bend`: the activation, and its slope
 * too.
 */
export type ElementFunction = "exp" | Activation | `${Activation}_bend`;

/** A function, and to how many numbers a call of a kernel applies it. */
export interface Applied {
  readonly function: ElementFunction;
  readonly numbers: number;
}
