/** Tests compile and run WebAssembly, on two cores as a rule: generous timeouts, one process per file and core, V8 flags per process. */
import { defineConfig } from "vitest/config";
import { CountReporter } from "./test/reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks", // V8 flags (`wide`) and signals belong to a process
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: process.stdout.isTTY ? ["default", new CountReporter()] : [["default", { summary: false }], new CountReporter()],
  },
});
