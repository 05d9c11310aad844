/**
 * Tests compile and run WebAssembly, on two cores as a rule: one process per file and core, V8 flags per
 * process. The time limit is there to find what hangs, not what is slow: no test takes a minute on a quiet
 * machine, and with many busy programs beside it ten times as long.
 */
import { defineConfig } from "vitest/config";
import { KERNEL_CACHE_VARIABLE } from "./app/cli/terminal/kernel-folder.ts";
import { inProject } from "./test/support/paths.ts";
import { CountReporter } from "./test/support/reporter.ts";
import { SlowFirst } from "./test/support/slow-first.ts";

const PATIENCE_MS = 20 * 60_000;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // npm run test:package, test:page, test:recipes
    exclude: ["test/package/**", "test/page/**", "test/contributing.test.ts"],
    globalSetup: "test/support/kernel-compilers.ts",
    setupFiles: ["test/support/kept-kernels.ts"],
    env: {
      [KERNEL_CACHE_VARIABLE]: process.env[KERNEL_CACHE_VARIABLE] ?? inProject(".cache/kernels"),
      // The launcher's folder (sinter.js). Threads and programs that tests start load no stripper of types,
      // which is half of what a thread costs.
      NODE_COMPILE_CACHE: inProject(".cache/node"),
    },
    sequence: { sequencer: SlowFirst },
    pool: "forks", // V8 flags (`wide`) and signals belong to a process
    maxWorkers: 2,
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    // What a filter (-t) leaves out is not listed. In a run of everything a skipped test is, with its reason.
    hideSkippedTests: process.argv.some((word) => /^(-t|--testNamePattern)/.test(word)),
    reporters: process.stdout.isTTY
      ? ["default", new CountReporter()]
      : [["default", { summary: false }], new CountReporter()],
  },
});
