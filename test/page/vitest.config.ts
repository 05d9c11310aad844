/**
 * `npm run test:page`: the page in a browser, as `sinter playground` serves it. It is built once, where that
 * is needed. `npm run test:page -- smoke` is what a fresh clone runs.
 */
import { defineConfig } from "vitest/config";
import { CountReporter } from "../support/reporter.ts";

const PATIENCE_MS = 10 * 60_000;

export default defineConfig({
  test: {
    include: ["test/page/*.test.ts"],
    globalSetup: "test/page/serve-page.ts",
    pool: "forks",
    maxWorkers: 1, // they measure, and a browser has threads enough
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    hideSkippedTests: process.argv.some((word) => /^(-t|--testNamePattern)/.test(word)),
    reporters: [["default", { summary: false }], new CountReporter()],
  },
});
