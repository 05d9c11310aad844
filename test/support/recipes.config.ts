/**
 * `npm run test:recipes`: the recipes of CONTRIBUTING.md, walked through in a copy of the project. They
 * compile and train for a minute on a quiet machine, so .ci/run runs them behind `npm test`.
 */
import { defineConfig } from "vitest/config";
import { CountReporter } from "./reporter.ts";

const PATIENCE_MS = 20 * 60_000;

export default defineConfig({
  test: {
    include: ["test/contributing.test.ts"],
    pool: "forks",
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    reporters: [["default", { summary: false }], new CountReporter()],
  },
});
