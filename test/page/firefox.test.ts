/** The editor in Firefox; smoke.test.ts does the same in Chromium. */
import { expect, inject, test } from "vitest";
import { skippedFor } from "../support/browsers.ts";
import { firefoxMissing, openFirefox } from "../support/firefox-page.ts";
import { mendsASpec, says } from "./by-keys.ts";

const missing = firefoxMissing();

test.skipIf(missing)(`a mistake is named and mended${skippedFor(missing)}`, async () => {
  const browser = await openFirefox();
  try {
    const page = await browser.open(inject("page").url, { width: 1440, scheme: "light" });
    await says(page, "status", /runs in .*B$/);
    await mendsASpec(page);
    expect(page.complaints).toEqual([]);
  } finally {
    await browser.close();
  }
});
