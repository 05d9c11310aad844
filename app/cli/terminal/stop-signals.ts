/**
 * The first signal asks a verb to stop; a second one ends the process as usual. One press of Ctrl-C can
 * arrive several times: the terminal sends it to every process, and npx, or the launcher under an older Node,
 * send on what they got. So signals within a moment count as one.
 */
const SAME_MS = 500;

/** Returns a function that ends the listening. */
export function onFirstSignal(signals: readonly NodeJS.Signals[], stop: () => void): () => void {
  let asked = false;
  const heard = (): void => {
    if (asked) return;
    asked = true;
    setTimeout(release, SAME_MS).unref();
    stop();
  };
  const release = (): void => signals.forEach((signal) => void process.off(signal, heard));
  signals.forEach((signal) => process.on(signal, heard));
  return release;
}

/** Resolves when the user, the system or the terminal asks a verb to end that would go on for ever. */
export const untilStopped = (): Promise<void> =>
  new Promise((done) => void onFirstSignal(["SIGINT", "SIGTERM", "SIGHUP"], done));
