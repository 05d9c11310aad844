/**
 * `npm run test:kernels`: every variant of the kernels whose bits have to be the same, on all targets and
 * numbers of workers. It takes two minutes; `npm test` has each operation against its reference, and whole
 * models that give the same bits. Whoever changes a kernel runs it.
 */
import { defineConfig } from "vitest/config";
import { KERNEL_CACHE_VARIABLE } from "../../app/cli/terminal/kernel-folder.ts";
import { inProject } from "./paths.ts";
import { CountReporter } from "./reporter.ts";

const PATIENCE_MS = 20 * 60_000;

/** Its files, which `npm test` leaves out. */
export const kernelTests = [
  "attention-bits",
  "cache",
  "gemm",
  "integer-products",
  "joined",
  "live-products",
].map((name) => `test/compiler/ops/${name}.test.ts`);

export default defineConfig({
  test: {
    include: kernelTests,
    setupFiles: ["test/support/kept-kernels.ts"],
    env: { [KERNEL_CACHE_VARIABLE]: process.env[KERNEL_CACHE_VARIABLE] ?? inProject(".cache/kernels") },
    pool: "forks",
    maxWorkers: 2,
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    reporters: [["default", { summary: false }], new CountReporter()],
  },
});
