/** What a visitor has chosen for all visits: kept in the browser, where it allows that. */
import { valueOf, type Value } from "./value.ts";

const PREFIX = "sinter.";

/** A setting of this name; undefined until it is chosen. */
export function kept(name: "language" | "colours" | "tour"): Value<string | undefined> {
  const value = valueOf(read(PREFIX + name));
  return {
    ...value,
    get now() {
      return value.now;
    },
    set(next) {
      value.set(next);
      write(PREFIX + name, next);
    },
  };
}

function read(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined; // the browser keeps nothing for this page
  }
}

function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // it is asked again at the next visit
  }
}
