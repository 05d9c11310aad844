/**
 * `npm run test:package`: the packed packages, from outside. It builds and packs once, and needs the npm
 * registry. On a quiet machine with two cores it takes less than four minutes.
 */
import { defineConfig } from "vitest/config";
import { CountReporter } from "../support/reporter.ts";

const PATIENCE_MS = 10 * 60_000;

export default defineConfig({
  test: {
    include: ["test/package/*.test.ts"],
    globalSetup: "test/package/pack.ts",
    pool: "forks",
    maxWorkers: 3, // one waits for the registry or a browser, as a rule
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    reporters: [["default", { summary: false }], new CountReporter()],
  },
});
