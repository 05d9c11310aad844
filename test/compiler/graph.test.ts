/**
 * The graph from stage to stage: golden text of every pass, what a layer hands on, the output layer in
 * blocks, how well memory is used.
 */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { checkSource } from "../../compiler/2-check/check.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { compileModel, planModule } from "../../compiler/compile.ts";
import { arenaBytes, lowerBound, planArena, type Buffer as Lease } from "../../compiler/7-place/arena.ts";
import { createModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { golden } from "../support/golden.ts";
import { shippedSpec } from "../support/paths.ts";

const path = (name: string): string => new URL(name, import.meta.url).pathname;

function modelOf(source: string, set: Record<string, string> = {}): Model {
  const { models, diagnostics } = checkSource(source, { set });
  expect(diagnostics).toEqual([]);
  return models[0]!;
}

const specOf = (name: string): string => shippedSpec(name);
const tiny = specOf("tiny");

describe("golden text", () => {
  const dumps = new Map<string, string>();
  planModule(modelOf(tiny), "train", {
    verify: true,
    targets: ["wide"],
    dump: (file, text) => void dumps.set(file, text),
  });

  test.each(["00-start", "01-differentiate", "03-fuse", "04-save", "07-carries"])(
    "the training graph after %s",
    (stage) => {
      golden(path(`golden/train-${stage}.txt`), dumps.get(`train/train/${stage}.txt`)!);
    },
  );
  test("the decoding graph, the arena, the tiles", () => {
    golden(
      path("golden/decode.txt"),
      dumps
        .get("train/decode/05-carries.txt")!
        .replace("(unchanged)\n", dumps.get("train/decode/02-fuse.txt")!),
    );
    golden(path("golden/train-arena.txt"), dumps.get("train/train/arena.txt")!);
    golden(path("golden/tiles-wide.txt"), dumps.get("train/tiles-wide.txt")!);
  });
});

describe("every spec in specs/ keeps the graph's laws after every pass", () => {
  const names = [
    "gpt1",
    "gpt2",
    "lecture",
    "nanogpt-cpu",
    "nested",
    "norms",
    "parallel",
    "quickstart",
    "relu-squared",
    "tiny",
  ];
  test.each(names)("%s", (name) => {
    for (const model of checkSource(specOf(name)).models)
      for (const module of ["train", "infer"] as const) {
        const plan = planModule(model, module, { verify: true, targets: ["wide"] });
        for (const { placed, lifetimes } of plan.placement.arenas.values())
          expect(arenaBytes(placed)).toBeLessThanOrEqual(1.2 * lowerBound(lifetimes.buffers));
      }
  });
  test("a graph does not grow with the layers", () => {
    const count = (layers: string): number =>
      planModule(modelOf(tiny, { layers }), "train")
        .programs.get("wide")!
        .flatMap((p) => p.sections.flatMap((s) => s.calls)).length;
    expect(count("48")).toBe(count("2"));
  });
});

describe("the output layer in blocks of rows", () => {
  /**
   * Everything that a step leaves behind, of 64 rows, with logits whole or in four blocks; three targets do
   * not count.
   */
  async function step(logitBytes: number | undefined, workers: number): Promise<Map<string, Float32Array>> {
    const source = tiny.replace("tied: true", "tied: false, bias: true");
    const model = modelOf(source, { vocab: "61", context: "32", "train.batch": "2", "train.context": "32" });
    const compiled = await compileModel(model, {
      targets: ["relaxed"],
      modules: ["train"],
      verify: true,
      ...(logitBytes !== undefined && { logitBytes }),
    });
    const sections = compiled.plans[0]!.programs.get("relaxed")![0]!.sections;
    expect(sections.find((s) => s.name === "head")?.times).toBe(logitBytes === undefined ? undefined : 4);
    const running = await createModel(compiled, "train", {
      host: nodeHost,
      workers,
      target: "relaxed",
      seed: 5,
    });
    const tokens = Int32Array.from({ length: 64 }, (_, i) => (i * 11) % 61);
    const targets = Int32Array.from(tokens, (t, i) => (i % 20 === 7 ? -1 : (t * 3 + 1) % 61));
    const out = new Map<string, Float32Array>();
    const first = await running.trainStep(
      [
        { tokens, targets },
        { tokens: targets.map((t) => Math.max(t, 0)), targets: tokens },
      ],
      { lr: 1e-3, step: 1 },
    );
    out.set("loss", Float32Array.of(first.loss, first.norm));
    out.set("token losses", running.tokenLosses().slice());
    for (const t of [...running.of("gradient"), ...running.of("parameter")])
      for (let slice = 0; slice < t.place.slices; slice++)
        out.set(`${t.place.name} ${slice}`, Float32Array.from(t.padded(slice)));
    const { sum, count } = await running.evaluate({ tokens, targets });
    out.set("evaluation", Float32Array.of(sum, count));
    await running.close();
    return out;
  }

  test("blocks change no more than the order of sums; workers change nothing", async () => {
    const whole = await step(undefined, 1);
    const blocks = await step(16 * 64 * 4, 1);
    const shared = await step(16 * 64 * 4, 2);
    for (const [name, values] of whole) {
      const other = blocks.get(name)!;
      expect(other.length).toBe(values.length);
      for (let i = 0; i < values.length; i++)
        expect(Math.abs(other[i]! - values[i]!), `${name}[${i}]`).toBeLessThanOrEqual(
          1e-6 + 1e-4 * Math.abs(values[i]!) + (name.endsWith(".grad") ? 0 : 1e-5),
        );
    }
    for (const [name, values] of blocks)
      expect(Buffer.from(shared.get(name)!.buffer).equals(Buffer.from(values.buffer)), name).toBe(true);
  });
});

describe("the arena", () => {
  const buffers = fc
    .array(
      fc.record({
        lines: fc.integer({ min: 1, max: 40 }),
        first: fc.integer({ min: 0, max: 12 }),
        span: fc.integer({ min: 0, max: 6 }),
      }),
      { maxLength: 24 },
    )
    .map((list) =>
      list.map(({ lines, first, span }, i): Lease => ({
        name: `b${i}`,
        bytes: lines * 64,
        first,
        last: first + span,
      })),
    );

  test("buffers that live at the same time never overlap, and nothing is below the lower bound", () => {
    fc.assert(
      fc.property(buffers, (list) => {
        const placed = planArena(list);
        expect(placed.length).toBe(list.length);
        for (const a of placed)
          for (const b of placed)
            if (a !== b && a.first <= b.last && b.first <= a.last)
              expect(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset).toBe(true);
        expect(arenaBytes(placed)).toBeGreaterThanOrEqual(lowerBound(list));
      }),
    );
  });
});
