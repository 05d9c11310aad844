/** Texts of the button that gives the page all cores. */
import type { Text } from "./texts.ts";

export const threadsTexts = {
  "threads.use": {
    en: "Use {count} threads (reloads the page)",
    nl: "Gebruik {count} threads (laadt de pagina opnieuw)",
  },
  "threads.failed": {
    en: "This browser gives the page one thread only.",
    nl: "Deze browser geeft de pagina maar één thread.",
  },
} as const satisfies Readonly<Record<string, Text>>;
