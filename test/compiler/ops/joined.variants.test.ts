/**
 * `wide` as it really runs: V8 joins pairs of 128-bit operations in optimized code only, and what
 * test/compiler/ops/ops.test.ts calls once is not optimized yet.
 */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { Op } from "../../../compiler/ops/kit/op.ts";
import { ops } from "../../../compiler/ops/index.ts";
import { optimizingOnly } from "../../support/join-trace.ts";
import { inProject } from "../../support/paths.ts";

const MOST_FLOPS = 1e6;
const PARTS = 4;
const LONG = 120_000;

const names = (Object.entries(ops) as [string, Op][])
  .filter(([, op]) => op.cases.some((c) => op.flops(c.d, { ...op.attrs, ...c.attrs }) < MOST_FLOPS))
  .map(([name]) => name);

test.each(Array.from({ length: PARTS }, (_, part) => names.filter((_, i) => i % PARTS === part)))(
  "operations equal their references once V8 has joined pairs: %s …",
  (...part) => {
    const text = execFileSync(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        ...optimizingOnly,
        inProject("test/support/joined-kernels.ts"),
        `${MOST_FLOPS}`,
        ...part,
      ],
      { encoding: "utf8" },
    );
    const found = JSON.parse(text) as Readonly<
      Record<string, readonly { readonly d: object; readonly worst: number }[]>
    >;
    for (const name of part) {
      expect(found[name]!.length, name).toBeGreaterThan(0);
      for (const { d, worst } of found[name]!)
        expect(worst, `${name} ${JSON.stringify(d)}`).toBeLessThanOrEqual(1);
    }
  },
  LONG,
);
