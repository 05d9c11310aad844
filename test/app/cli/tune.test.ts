/**
 * Tiles from a file: those that pass the check compute right, impossible ones are refused, and the verbs
 * honour the file.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  chooseTiles,
  candidates,
  hasChoice,
  wrongTiles,
  type TileChoice,
} from "../../../compiler/6-tile/chosen-tiles.ts";
import { kernelSpec, type KernelSpec } from "../../../compiler/6-tile/kernel-spec.ts";
import { checker } from "../../../bench/measure/kernel-check.ts";
import { kernelModule } from "../../../bench/measure/kernel-module.ts";
import { inputsFor, noise } from "../../../bench/measure/kernel-numbers.ts";
import { thisMachine } from "../../../app/cli/options/tune-file.ts";
import { type Case, type Op } from "../../../compiler/ops/kit/op.ts";
import type { Dims } from "../../../compiler/ops/kit/signature.ts";
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { memoryBytesFor } from "../../../runtime/contract/worker-memory.ts";
import { ops, type OpName } from "../../../compiler/ops/index.ts";
import { inside as runInside } from "../../support/inside.ts";

const product = (M: number, K: number, N: number): Case => ({ d: { M, K, N } });
const sequence = (context: number, heads: number, head_dim: number): Case => ({
  d: { R: 2 * context, Q: 3 * heads * head_dim, O: heads * head_dim, H: heads },
  attrs: { heads, kv_heads: heads, head_dim, context },
});
const specOf = (name: OpName, c: Case, target: Target): KernelSpec =>
  kernelSpec(name, ops[name] as Op, c.d, c.attrs ?? {}, c.with ?? [], target);

test.each(targets)("an operation's own tiles are always possible: every case, %s", (target) => {
  const wrong = Object.entries(ops as Readonly<Record<string, Op>>)
    .flatMap(([name, op]) =>
      op.cases.map((c) => kernelSpec(name, op, c.d, c.attrs ?? {}, c.with ?? [], target)),
    )
    .filter((spec) => hasChoice(spec) && wrongTiles(spec, spec.tiles) !== undefined);
  expect(
    wrong.map((spec) => `${spec.opName} ${JSON.stringify(spec.d)}: ${wrongTiles(spec, spec.tiles)}`),
  ).toEqual([]);
});

/** What `tune` would try, and random numbers that pass the check. */
function tilesToTry(spec: KernelSpec): Dims[] {
  const all = candidates(spec).flatMap((t) => candidates(spec, t));
  const next = noise(17);
  const small = (most: number): number => 1 + Math.floor(((next() + 1) / 2) * most * 0.9999);
  for (let i = 0; i < 24 && spec.opName.startsWith("matmul"); i++)
    all.push({
      MR: small(12),
      NR: 8 * small(2),
      KC: [spec.d["K"]!, 16, 32, 48][small(4) - 1]!,
      PB: small(6),
      RB: small(9),
    });
  const unique = new Map(
    all.filter((t) => wrongTiles(spec, t) === undefined).map((t) => [JSON.stringify(t), t]),
  );
  return [...unique.values()].slice(0, 24);
}

describe("tiles that pass the check compute right", () => {
  const cases: readonly (readonly [OpName, Case])[] = [
    ["matmul", product(17, 61, 65)],
    ["matmul", { ...product(23, 40, 33), with: ["bias", "add"] }],
    [
      "matmul",
      { d: { ...product(9, 70, 20).d, L: 2 }, attrs: { activation: "gelu" }, with: ["bias", "bend"] },
    ],
    ["matmul_nt", product(19, 50, 37)],
    ["matmul_tn", product(21, 67, 34)],
    ["attention", sequence(100, 2, 16)],
  ];
  test.each(targets)("%s", async (target) => {
    let tried = 0;
    for (const [name, c] of cases) {
      const spec = specOf(name, c, target);
      const tiles = tilesToTry(spec);
      const inputs = inputsFor(spec.op, c);
      const wrong = checker(spec.op, c, inputs);
      const module = await kernelModule(
        tiles.map((t) => ({ ...spec, tiles: t })),
        target,
        2,
      );
      for (const [i, t] of tiles.entries())
        for (const workers of [1, 2]) {
          module.load(i, inputs);
          expect(
            wrong(await module.run(i, workers)),
            `${name} ${JSON.stringify(t)} on ${workers}`,
          ).toBeUndefined();
          tried++;
        }
      await module.close();
    }
    expect(tried).toBeGreaterThan(150);
  });
});

describe("tiles that cannot be are refused", () => {
  const right: TileChoice = {
    target: "wide",
    op: "matmul",
    d: { M: 64, K: 128, N: 96 },
    attrs: {},
    tensors: ["a", "b", "out"],
    tiles: { MR: 4, NR: 16, KC: 64, PB: 2, RB: 3 },
  };
  const tiles = (changed: Record<string, number>): TileChoice => ({
    ...right,
    tiles: { ...right.tiles, ...changed },
  });
  test("the example itself is right", () => expect(chooseTiles([right])).toHaveProperty("chosen.size", 1));
  test.each<readonly [string, TileChoice, RegExp]>([
    ["MR 0", tiles({ MR: 0 }), /MR is not a whole number/],
    ["MR 9 of 16 columns", tiles({ MR: 9 }), /MR 9 is not 1 … 8/],
    ["NR 12", tiles({ NR: 12 }), /NR 12/],
    ["NR 4", tiles({ NR: 4 }), /NR 4/],
    ["NR 32", tiles({ NR: 32 }), /NR 32/],
    ["half a row", tiles({ MR: 2.5 }), /whole number/],
    ["not a number", tiles({ KC: NaN }), /KC is not/],
    ["KC beyond K", tiles({ KC: 129 }), /KC 129/],
    ["KC 100", tiles({ KC: 100 }), /multiple of 16/],
    ["PB beyond the panels", tiles({ PB: 7 }), /PB 7/],
    ["RB beyond the rows", tiles({ RB: 17 }), /RB 17/],
    ["1e20", tiles({ RB: 1e20 }), /RB is not/],
    ["another tile", tiles({ QB: 3 }), /tiles are/],
    ["a tile missing", { ...right, tiles: { MR: 4 } }, /tiles are/],
    ["no such op", { ...right, op: "__proto__" }, /no operation/],
    [
      "an op without a choice",
      { ...right, op: "layernorm", d: { R: 4, C: 16 }, tensors: [], tiles: {} },
      /no choice/,
    ],
    ["few rows", { ...right, d: { M: 1, K: 128, N: 96 } }, /no choice/],
    ["a size of 0", { ...right, d: { M: 0, K: 1, N: 1 } }, /M 0/],
    ["a size missing", { ...right, d: { M: 64, K: 128 } }, /N .* is missing/],
    ["no such letter", { ...right, d: { ...right.d, X: 1 } }, /X 1/],
    ["no such attribute", { ...right, attrs: { speed: 1 } }, /attribute speed/],
    ["no such tensor", { ...right, tensors: ["c"] }, /tensor c/],
    [
      "scratch of gigabytes",
      { ...right, d: { M: 1e6, K: 1e6, N: 1e6 }, tiles: { MR: 8, NR: 16, KC: 1e6, PB: 62500, RB: 3 } },
      /scratch/,
    ],
  ])("%s", (_, choice, message) =>
    expect(chooseTiles([right, choice])).toMatchObject({
      wrong: expect.stringMatching(message) as string,
      at: 1,
    }),
  );
});

const SPEC = `model small {
  vocab 20   context 16   width 32   layers 1   heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x), hidden: 40, activation: relu)
  }
  output linear(layernorm(x), tied: true)
  train { batch 1 context 16 }
}`;

describe("sinter tune, and what the other verbs make of its file", () => {
  let folder = "";
  let file = "";
  const run = async (...argv: string[]): Promise<{ code: number; out: string; err: string }> => {
    return runInside(argv, folder);
  };
  const wasm = (dir: string): string => readFileSync(join(folder, dir, "infer.simd.wasm")).toString("hex");
  const compile = (dir: string, ...more: string[]) =>
    run("compile", "small.sinter", "--module", "infer", "--target", "simd", "-o", dir, ...more);
  const choice = (changed: object = {}) => ({
    target: "simd",
    op: "matmul",
    d: { M: 16, K: 32, N: 96 },
    attrs: { activation: "none", derivative: "none" },
    tensors: ["a", "b", "out"],
    tiles: { MR: 3, NR: 8, KC: 16, PB: 2, RB: 2 },
    ms: 1,
    ownMs: 2,
    workers: 1,
    ...changed,
  });
  const writeFile = (value: object): void =>
    writeFileSync(
      file,
      JSON.stringify({ version: 1, machine: thisMachine(), choices: [choice()], ...value }),
    );
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sinter-tune-"));
    file = join(folder, "sinter.tune.json");
    writeFileSync(join(folder, "small.sinter"), SPEC);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("keeps what it found; compile takes it, and the same file makes the same bytes", async () => {
    const tuned = await run(
      "tune",
      "small.sinter",
      "--module",
      "infer",
      "--target",
      "simd",
      "--workers",
      "1",
      "--seconds",
      "0.05",
    );
    expect(tuned).toMatchObject({ code: 0 });
    expect(tuned.out).toMatch(/^small: \d+ shapes on 1 worker;/);
    expect(tuned.out).toContain("matmul_M16_K32_N96");
    expect(tuned.out).toMatch(/\d+ of \d+ shapes got other tiles/);
    const { machine, choices } = JSON.parse(readFileSync(file, "utf8")) as {
      machine: object;
      choices: { ms: number; ownMs: number }[];
    };
    expect(machine).toEqual(thisMachine());
    for (const { ms, ownMs } of choices) expect(ownMs).toBeGreaterThan(ms);
    const { err } = await compile("first");
    expect(err).toMatch(/^tiles of .*sinter\.tune\.json: \d+ shapes?, measured on this machine\n$/);
    await compile("second");
    expect(wasm("second")).toBe(wasm("first"));
  });
  test("a file decides which tiles are emitted; --no-tune leaves it out", async () => {
    writeFile({});
    await compile("tuned");
    await compile("own", "--no-tune");
    const kernels = (dir: string): string => readFileSync(join(folder, dir, "infer.simd.kernels.ts"), "utf8");
    expect(kernels("tuned")).toContain("MR=3 NR=8 KC=16 PB=2 RB=2");
    expect(kernels("own")).not.toContain("MR=3");
    expect(wasm("own")).not.toBe(wasm("tuned"));
    expect(
      (await run("explain", "small.sinter", "--tiles", "--module", "infer", "--target", "simd")).out,
    ).toContain("MR 3, NR 8, KC 16, PB 2, RB 2");
  });
  test("check counts the bytes that compile then takes", async () => {
    const checked = async (...options: readonly string[]) =>
      (
        JSON.parse((await run("check", "small.sinter", "--json", ...options)).out) as {
          models: Record<"memory" | "workers", { infer: number }>[];
        }
      ).models[0]!;
    const { memory } = await checked("--no-tune");
    writeFile({ choices: [choice(), choice({ tiles: { MR: 4, NR: 16, KC: 16, PB: 6, RB: 4 } })] });
    await compile("wider");
    const tuned = await checked();
    const { modules } = JSON.parse(readFileSync(join(folder, "wider", "manifest.json"), "utf8")) as Manifest;
    // check plans for all targets, the largest counts
    expect(tuned.memory.infer).toBeGreaterThanOrEqual(memoryBytesFor(modules.infer!, tuned.workers.infer));
    expect(tuned.memory.infer).toBeGreaterThanOrEqual(memory.infer);
    writeFile({});
  });
  test("of another machine: left out with a note, unless it is asked for", async () => {
    writeFile({ machine: { ...thisMachine(), cpu: "Z80", v8: "1.0" } });
    expect((await compile("elsewhere")).err).toMatch(
      /^note: .*another machine or version \(Z80, .* left out/,
    );
    expect(wasm("elsewhere")).toBe(wasm("own"));
    expect((await compile("asked", "--tune", "sinter.tune.json")).err).toMatch(/measured elsewhere \(Z80/);
    expect(wasm("asked")).toBe(wasm("tuned"));
  });
  test.each<readonly [string, string | object, RegExp]>([
    ["not JSON", "{", /not JSON/],
    ["a list", "[]", /does not hold an object/],
    ["another version", { version: 2 }, /version 2/],
    ["no machine", { machine: null }, /which machine/],
    ["no list", { choices: {} }, /not a list/],
    ["no choice", { choices: [null] }, /choice 1 is not one/],
    [
      "impossible tiles",
      { choices: [choice(), choice({ tiles: { MR: 99, NR: 8, KC: 16, PB: 2, RB: 2 } })] },
      /choice 2 \(matmul, simd\): MR 99/,
    ],
    ["tiles as texts", { choices: [choice({ tiles: { MR: "4);evil(" } })] }, /choice 1 is not one/],
    ["a hostile name", { choices: [choice({ op: "constructor" })] }, /no operation constructor/],
  ])("a bad file is exit code 3 with its place: %s", async (_, value, message) => {
    if (typeof value === "string") writeFileSync(file, value);
    else writeFile(value);
    const { code, err } = await compile("bad");
    expect([code, err]).toEqual([3, expect.stringMatching(message)]);
    expect(err).toContain("help: `sinter tune SPEC --fresh`");
    expect(existsSync(join(folder, "bad"))).toBe(false);
  });
  test("a file that was named and is not there is an error", async () => {
    expect(await compile("bad", "--tune", "nowhere.json")).toMatchObject({
      code: 1,
      err: expect.stringContaining("nowhere.json") as string,
    });
  });
});
