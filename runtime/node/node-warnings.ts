/** Warnings of Node itself, which say nothing to a user. */

/** Node's function that strips types warns once, on standard error, that it is experimental. */
export function silenceTypeStripping(): void {
  process.removeAllListeners("warning");
}
