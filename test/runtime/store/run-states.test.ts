/** Training states that have a right hash and are impossible: test/long/states.ts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { wrongState } from "../../../runtime/store/train-state.ts";
import { hostiles, tryStates, type StateTrial } from "../../long/states.ts";

const good = {
  version: 2,
  step: 6,
  tokens: 96,
  batches: [1, 2, 3, 4],
  identity: {
    model: "m",
    data: "d",
    wasm: "w",
    tokenizer: "t",
  },
  sha256: { x: "0".repeat(64) },
};
/** Mistakes that only the run, or a tensor, can show. */
const byTheRun = /^identity\.(model|data|run): |^identity: \{\}|^sha256: \{\}|^kept: \{/;

describe("a state that cannot be", () => {
  it("is told from one that can", () => {
    expect(wrongState(JSON.stringify(good), "a/step-000006.safetensors")).toBeUndefined();
    expect(wrongState(JSON.stringify(good), "copy.safetensors")).toBeUndefined();
    expect(hostiles.length).toBeGreaterThanOrEqual(24);
  });
  it.each(hostiles.filter(({ name }) => !byTheRun.test(name)).map((h) => [h.name, h] as const))(
    "%s",
    (_, { make, names }) => {
      const made = make(good);
      const json = typeof made === "string" ? made : JSON.stringify(made);
      expect(wrongState(json, "a/step-000006.safetensors")?.why).toMatch(names);
    },
  );
});

describe("from the command line, the older checkpoint is taken, and named what is wrong", () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "sinter-states-"))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("a choice of them, and all that only the run can tell", async () => {
    const list = hostiles.filter(({ name }, i) => byTheRun.test(name) || i % 9 === 0);
    const trials: StateTrial[] = [];
    await tryStates(
      join(folder, "run"),
      list,
      new AbortController().signal,
      (trial) => void trials.push(trial),
    );
    expect(trials.flatMap(({ findings }) => findings)).toEqual([]);
    expect(trials).toHaveLength(list.length);
  });
});
