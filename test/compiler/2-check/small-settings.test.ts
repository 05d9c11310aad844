/**
 * The smallest settings that a spec may have, and those whose padded sizes coincide: all of them train,
 * sample and evaluate.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { valueBytes } from "../../../compiler/7-place/lifetimes.ts";
import { compileModel, planModule } from "../../../compiler/compile.ts";
import { inside } from "../../support/inside.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";

const LONG = 180_000; // ms

interface Settings {
  readonly sizes?: string;
  readonly context?: number;
  readonly vocab?: number;
  readonly layer?: string;
  readonly train?: string;
}
const source = ({
  sizes = "width 8  layers 1  heads 2",
  context = 8,
  vocab = 8,
  layer = BOTH,
  train = "batch 1  context 8",
}: Settings): string =>
  `model m {
  vocab ${vocab}   context ${context}   ${sizes}
  embed token + position
  layer { ${layer} }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { steps 2  ${train} }
}
`;
const BOTH = "x += attention(layernorm(x))  x += mlp(layernorm(x))";
function modelOf(settings: Settings): Model {
  const {
    models: [model],
    diagnostics,
  } = checkSource(source(settings));
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return model!;
}

describe("inputs and outputs of entries", () => {
  const pairs = [
    ...[1, 2, 3, 4, 5].flatMap((batch) => Array.from({ length: 17 }, (_, i) => [batch, i + 1] as const)),
    [3, 40],
    [40, 3],
    [1, 113],
    [1, 120],
    [1, 127],
    [1, 128],
    [1, 129],
    [9, 14],
    [16, 8],
  ] as readonly (readonly [batch: number, context: number])[];

  test.each(["train", "infer"] as const)(
    "of module %s have room for the longest of them, also where paddings are equal",
    (module) => {
      for (const [batch, context] of pairs)
        for (const longest of new Set(
          [context, context + 1, 16, 120, 128, 250].filter((n) => n >= context),
        )) {
          const { programs, placement } = planModule(
            modelOf({ context: longest, train: `batch ${batch}  context ${context}` }),
            module,
            { targets: ["simd"] },
          );
          for (const { graph } of programs.get("simd")!)
            for (const value of graph.values.values()) {
              if (value.storage !== "input" && value.storage !== "output") continue;
              const placed = placement.persistent.get(value.name)!.value;
              const at = `${value.name} of ${graph.entry}, ${batch} × ${context} of ${longest}`;
              for (const [i, length] of value.shape.entries())
                expect(placed.shape[i], at).toBeGreaterThanOrEqual(length);
              expect(valueBytes(placed), at).toBeGreaterThanOrEqual(valueBytes(value));
            }
        }
    },
    LONG,
  );

  test(
    "of a bundle that says less of their length than there is room for: it feeds a whole chunk",
    async () => {
      const compiled = await compileModel(modelOf({ context: 256, train: "batch 3  context 40" }), {
        targets: ["simd"],
        modules: ["train"],
      });
      const { manifest } = compiled;
      const train = manifest.modules.train!;
      const tensors = train.tensors.map((t) => (t.name === "tokens" ? { ...t, shape: [120] } : t));
      const older = { ...compiled, manifest: { ...manifest, modules: { train: { ...train, tensors } } } };
      const text = Array.from({ length: 200 }, (_, i) => i % 8);
      const said: Float32Array[] = [];
      for (const bundle of [compiled, older]) {
        const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, seed: 1 });
        said.push((await model.feed(text, 0)).slice());
        await model.close();
      }
      expect(said[1]).toEqual(said[0]);
    },
    LONG,
  );
});

describe("a run", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sinter-small-"));
    writeFileSync(join(folder, "eight.txt"), "abcdefgh".repeat(40));
    writeFileSync(join(folder, "one.txt"), "a".repeat(300));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const sinter = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await inside(args, folder);
    expect({ code, err }, args.join(" ")).toEqual({ code: 0, err: "" });
    return out;
  };
  const EXPERTS =
    "x += attention(rmsnorm(x), window: 1)  x += experts(rmsnorm(x), count: 3, top: 2, hidden: 1)";
  interface Row {
    readonly name: string;
    readonly settings: Settings;
    readonly data?: string;
    readonly prompt?: string;
    readonly flags?: readonly string[];
  }
  const rows: readonly Row[] = [
    { name: "batch 1, context 1", settings: { train: "batch 1  context 1" } },
    { name: "batch 1, context 2", settings: { train: "batch 1  context 2" } },
    { name: "batch 1, context 3", settings: { train: "batch 1  context 3  accumulate 3" } },
    {
      name: "a model of one position",
      settings: { context: 1, sizes: "width 1  layers 1  heads 1", train: "batch 1  context 1" },
    },
    {
      name: "a chunk longer than the batch, padded alike",
      settings: { context: 256, train: "batch 3  context 40  eval_every 0" },
      prompt: "abcdefgh".repeat(25),
    },
    {
      name: "a chunk longer than the batch",
      settings: { context: 300, train: "batch 1  context 1" },
      prompt: "abcdefgh".repeat(37),
    },
    { name: "a vocabulary of one", settings: { vocab: 1, train: "batch 2  context 8" }, data: "one.txt" },
    {
      name: "a vocabulary with one token in use",
      settings: { vocab: 2, sizes: "width 5  layers 1  heads 1", train: "batch 2  context 7" },
      data: "one.txt",
    },
    {
      name: "experts of one column, bands of one position",
      settings: { layer: EXPERTS, sizes: "width 7  layers 1  heads 7", train: "batch 1  context 2" },
    },
    {
      name: "one step, in its warm-up",
      settings: { train: "batch 1  context 8  warmup 5  eval_every 100  save_every 100" },
      flags: ["--steps", "1"],
    },
    {
      name: "everything at every step",
      settings: { train: "batch 1  context 8  eval_every 1  sample_every 1  save_every 1  held_out 0.005" },
    },
  ];
  test.each(rows)(
    "$name: trains, samples beyond its context, evaluates",
    async ({ settings, data = "eight.txt", prompt = "a", flags = [] }) => {
      writeFileSync(join(folder, "m.sinter"), source(settings));
      rmSync(join(folder, "run"), { recursive: true, force: true });
      const events = (
        await sinter(
          "train",
          "m.sinter",
          "--data",
          data,
          "--out",
          "run",
          "--workers",
          "1",
          "--json",
          ...flags,
        )
      )
        .trim()
        .split("\n");
      for (const event of events.map((line) => JSON.parse(line) as { kind?: string; loss?: number }))
        if (event.kind === "step") expect(event.loss).toBeTypeOf("number");
      const made = JSON.parse(
        await sinter("sample", "run", "-p", prompt, "-n", "20", "--workers", "1", "--json"),
      ) as { tokens: number[] };
      expect(made.tokens).toHaveLength(20);
      expect(JSON.parse(await sinter("eval", "run", "--json", "--workers", "1"))).toMatchObject({
        loss: expect.any(Number) as number,
      });
    },
    LONG,
  );
});
