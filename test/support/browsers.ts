/** The browsers that pages are tried in, each with the reason where it is not on this machine. */
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { openBrowser } from "./chromium-page.ts";
import { firefoxMissing, openFirefox } from "./firefox-page.ts";

export const browsers = [
  { name: "Chromium", missing: chromiumMissing(), open: openBrowser },
  { name: "Firefox", missing: firefoxMissing(), open: () => openFirefox() },
] as const;

/** "in Firefox (skipped: …)", the title of what is tried in one. */
export const titleIn = ({ name, missing }: Pick<(typeof browsers)[number], "name" | "missing">): string =>
  `in ${name}${missing ? ` (skipped: ${missing})` : ""}`;
