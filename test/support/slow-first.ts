/**
 * The order of test files: those that take longest begin first, so that the last ones to run are short and no
 * core waits at the end. Vitest knows durations of an earlier run only; in a fresh clone there is none.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than 20 s of a core, the longest first (a fresh clone, two cores, 2026-11-28). */
const slow = [
  "test/readme.test.ts",
  "test/compiler/ops/ops.test.ts",
  "test/parity/parity.test.ts",
  "test/runtime/engine/workers.test.ts",
  "test/runtime/formats/export.test.ts",
  "test/compiler/ops/quantised.test.ts",
  "test/compiler/3-graph/partition.test.ts",
  "test/runtime/browser/browser.test.ts",
  "test/runtime/formats/architectures.test.ts",
  "test/specs/specs-train.test.ts",
  "test/runtime/engine/same-bits.test.ts",
  "test/app/cli/complete-or-absent.test.ts",
  "test/app/cli/prefer-cli.test.ts",
  "test/parity/posttraining.test.ts",
];

export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = [...(await super.sort(files))];
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = slow.findIndex((file) => moduleId.endsWith(file));
      return at < 0 ? slow.length : at;
    };
    return others.sort((a, b) => rank(a) - rank(b));
  }
}
