/**
 * A module that times itself: every call is counted, results stay the same, and `sinter profile` makes a
 * table of it. Also compares planned bytes with the least possible.
 */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { leastBytes } from "../../../compiler/7-place/place.ts";
import type { Profile } from "../../../bench/measure/profile.ts";
import { compileModel, planModule } from "../../../compiler/compile.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { shippedSpec } from "../../support/paths.ts";

/** Of specs/tiny.sinter. */
const HEADS = 2;

const specOf = (name: string): string => shippedSpec(name);

test(
  "every call of every worker is timed, and the losses are those of the module without " + "clocks",
  async () => {
    const model = checkSource(specOf("tiny")).models[0]!;
    const losses: number[][] = [];
    for (const profile of [false, true]) {
      const compiled = await compileModel(model, { targets: ["relaxed"], modules: ["train"], profile });
      const running = await createModel(compiled, "train", {
        host: nodeHost,
        workers: 2,
        target: "relaxed",
        seed: 3,
      });
      const { batch, context } = running.entry("train");
      const ids = Int32Array.from({ length: batch * context }, (_, i) => i % 7);
      losses.push([]);
      for (let step = 1; step <= 3; step++)
        losses
          .at(-1)!
          .push((await running.trainStep([{ tokens: ids, targets: ids }], { lr: 1e-2, step })).loss);
      const sites = running.profile("clear")?.filter((s) => s.entry === "train");
      if (!profile) expect(sites).toBeUndefined();
      else {
        for (const s of sites!) expect(s.calls, s.kernel).toBe(3 * s.times);
        expect(sites!.reduce((sum, s) => sum + s.flops * s.times, 0)).toBe(running.entry("train").flops);
        const pairs = (context * (context + 1)) / 2;
        const softmax = { function: "exp", numbers: batch * HEADS * pairs };
        expect(sites!.find((s) => s.op === "attention")!.applies).toEqual(softmax);
        for (const worker of [0, 1])
          expect(sites!.reduce((sum, s) => sum + s.busy[worker]!, 0)).toBeGreaterThan(0);
        expect(running.profile()!.every((s) => s.calls === 0 && s.busy[0] === 0)).toBe(true);
      }
      await running.close();
    }
    expect(losses[1]).toEqual(losses[0]);
  },
);

test.each(["train", "decode"])("sinter profile makes a table of %s", (entry) => {
  const run = (...more: string[]): string =>
    execFileSync(
      process.execPath,
      [
        "sinter.js",
        "profile",
        "specs/tiny.sinter",
        "--entry",
        entry,
        "--target",
        "relaxed",
        "--workers",
        "1",
        "--seconds",
        "0.1",
        ...more,
      ],
      { encoding: "utf8" },
    );
  const lines = run().trimEnd().split("\n");
  expect(lines[1]).toMatch(/^kernel +calls +ms +wait +share +rate +limit$/);
  expect(lines.at(-1)).toMatch(new RegExp(`^${entry}, relaxed, 1 worker: .* tok/s`));
  for (const line of lines.slice(1, -1)) expect(line.length).toBeLessThanOrEqual(100);
  const { kernels } = JSON.parse(run("--json")) as Pick<Profile, "kernels">;
  expect(kernels.reduce((sum, k) => sum + k.share, 0)).toBeCloseTo(1, 6);
  for (const { ofLimit, ms, least } of kernels)
    expect(ofLimit).toBeCloseTo((least.multiplyAdds + least.functions + least.bytes) / ms, 6);
});

test("a training step of GPT-2 is planned within a tenth of what it needs at least", () => {
  const { placement } = planModule(checkSource(specOf("gpt2")).models[0]!, "train", { targets: ["wide"] });
  const least = leastBytes(placement, "train");
  expect(least).toBeGreaterThan(4 * 4 * 124_439_808);
  expect(placement.bytes / least).toBeLessThan(1.1);
});
