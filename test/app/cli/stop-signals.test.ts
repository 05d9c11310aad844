/**
 * One press of Ctrl-C may arrive several times, through npx and the launcher; a second press comes later, and
 * ends the process as usual, because nobody listens any more.
 */
import { afterEach, expect, test } from "vitest";
import { onFirstSignal } from "../../../app/cli/terminal/stop-signals.ts";

const SIGNALS = ["SIGUSR2"] as const; // nothing else listens to it here
const listeners = (): number => process.listenerCount("SIGUSR2");
let release = (): void => {};
afterEach(() => release());

test("signals within a moment are one; after it nobody listens", async () => {
  let stops = 0;
  const before = listeners();
  release = onFirstSignal(SIGNALS, () => void stops++);
  for (let i = 0; i < 3; i++) process.emit("SIGUSR2");
  expect(stops).toBe(1);
  expect(listeners()).toBe(before + 1);
  while (listeners() > before) await new Promise((later) => setTimeout(later, 20));
  expect(stops).toBe(1);
});

test("what ends the listening ends it at once", () => {
  const before = listeners();
  release = onFirstSignal(SIGNALS, () => {});
  release();
  expect(listeners()).toBe(before);
});
