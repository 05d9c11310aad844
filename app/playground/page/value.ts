/** A value that others watch. */
export interface Value<T> {
  readonly now: T;
  set(next: T): void;
  /** Calls the listener at once, and at each change until the signal ends it. */
  watch(listener: (now: T) => void, signal?: AbortSignal): void;
}

/** Setting what is there already (`Object.is`) tells nobody. */
export function valueOf<T>(first: T): Value<T> {
  let now = first;
  const listeners = new Set<(now: T) => void>();
  return {
    get now() {
      return now;
    },
    set(next) {
      if (Object.is(now, next)) return;
      now = next;
      for (const listener of listeners) {
        if (!Object.is(now, next)) return; // a listener has set another one, and that one was told
        listener(next);
      }
    },
    watch(listener, signal) {
      if (signal?.aborted) return;
      listeners.add(listener);
      signal?.addEventListener("abort", () => listeners.delete(listener), { once: true });
      listener(now);
    },
  };
}
