/** The browsers that pages are tried in, each with the reason where it is not on this machine. */
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { openBrowser } from "./chromium-page.ts";
import { firefoxMissing, openFirefox } from "./firefox-page.ts";

export const browsers = [
  { name: "Chromium", missing: chromiumMissing(), open: openBrowser },
  { name: "Firefox", missing: firefoxMissing(), open: () => openFirefox() },
] as const;

/** What is added to the title of a test that may be skipped. */
export const skippedFor = (missing: string | undefined): string =>
  missing === undefined ? "" : ` (skipped: ${missing})`;
