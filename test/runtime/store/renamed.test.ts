/**
 * The only rmsnorm of a layer with `qk_norm: rmsnorm()` is called `rmsnorm`. Runs that called it `rmsnorm_1`
 * can be opened, continued, and used as the start of another run.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import { loadNewest } from "../../../runtime/store/checkpoint.ts";
import { openCheckpoint } from "../../../runtime/store/checkpoint-file.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { nameIn } from "../../../runtime/store/renamed.ts";
import { beginRun, contentsOf } from "../../../runtime/store/run-folder.ts";
import { newRecord } from "../../../runtime/store/run-record.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { bitsOf } from "../../support/fake-model.ts";
import { inside as runInside } from "../../support/inside.ts";

const SPEC = `model m {
  vocab 256  context 8   width 16   layers 2   heads 2
  embed token
  layer { x += attention(rmsnorm(x), qk_norm: rmsnorm(), rope: rope())  x += mlp(x, hidden: 8) }
  output linear(x, tied: true)
  tokenizer bytes
  train { batch 2  context 8  steps 4  eval_every 0 }
}
`;
const TEXT = "the quick brown fox jumps over the lazy dog\n".repeat(20);
const modelOf = (source: string): Model => checkSource(source).models[0]!;
/** The model with the names that an earlier release gave. */
const before = (model: Model): Model =>
  JSON.parse(JSON.stringify(model).replaceAll('"name":"rmsnorm"', '"name":"rmsnorm_1"')) as Model;
const names = (model: Model): string[] =>
  [
    ...JSON.stringify([model.layer, model.output]).matchAll(
      /"part":"(?:rmsnorm|layernorm)"[^}]*?"name":"(\w+)"|"name":"(\w+)"[^}]*?"part":"rmsnorm"/g,
    ),
  ].map((m) => (m[1] ?? m[2])!);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sinter-renamed-"));
  writeFileSync(join(folder, "m.sinter"), SPEC);
  writeFileSync(join(folder, "text.txt"), TEXT);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
async function sinter(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return runInside(args, folder);
}

test("a setting's value is no part, and takes no number", () => {
  const layer = (equations: string): string[] =>
    names(modelOf(SPEC.replace(/layer \{.*\}/, `layer { ${equations} }`)));
  expect(names(modelOf(SPEC))).toEqual(["rmsnorm"]);
  expect(layer("x += attention(rmsnorm(x), qk_norm: rmsnorm())  x += mlp(rmsnorm(x))")).toEqual([
    "rmsnorm_1",
    "rmsnorm_2",
  ]);
  expect(layer("x += attention(x, qk_norm: rmsnorm())  x += mlp(layernorm(x))")).toEqual(["layernorm"]);
});

test("the other name of a tensor, where it is the only one of its kind", () => {
  const of =
    (...there: string[]) =>
    (wanted: string): string =>
      nameIn(new Set(there), wanted);
  expect(of("layers.0.rmsnorm_1.weight")("layers.0.rmsnorm.weight")).toBe("layers.0.rmsnorm_1.weight");
  expect(of("moment1.layers.3.rmsnorm.weight")("moment1.layers.3.rmsnorm_1.weight")).toBe(
    "moment1.layers.3.rmsnorm.weight",
  );
  expect(of("output.rmsnorm_1.weight", "output.rmsnorm.weight")("output.rmsnorm.weight")).toBe(
    "output.rmsnorm.weight",
  );
  expect(of("layers.0.rmsnorm_1.weight", "layers.0.rmsnorm_2.weight")("layers.0.rmsnorm.weight")).toBe(
    "layers.0.rmsnorm.weight",
  );
  expect(of("layers.0.layernorm_1.weight")("layers.0.layernorm.weight")).toBe("layers.0.layernorm.weight");
});

/** Begins a run in the folder, as an earlier release would have. */
async function beginOldRun(run: string, model: Model, compiled: Compiled): Promise<void> {
  const contents = contentsOf(compiled, byteTokenizer(), SPEC);
  const record = await newRecord(
    {
      model: "m",
      data: { path: join(folder, "text.txt"), sha256: await sha256(TEXT) },
      settings: { ...model.train, steps: 2 },
      target: "simd",
      compiler: "0.1.0",
    },
    contents,
  );
  await beginRun(nodeFiles(), { folder: run, record }, contents);
}

test(
  "a run of before goes on, is used, and is begun from; its checkpoints load into a module " + "of now",
  async () => {
    const files = nodeFiles();
    const run = join(folder, "old");
    const model = modelOf(SPEC);
    const compiled = await compileModel(before(model), { modules: ["train"], targets: ["simd"] });
    await beginOldRun(run, model, compiled);
    const flags = ["--workers", "1", "--target", "simd"];
    for (const steps of ["2", "3"])
      expect(
        await sinter("train", "m.sinter", "--resume", "--out", "old", "--steps", steps, ...flags),
      ).toMatchObject({ code: 0, err: "" });
    const checkpoint = await openCheckpoint(files, `${run}/step-000003.safetensors`);
    expect([...checkpoint.tensors.keys()].filter((name) => /^layers.*rmsnorm/.test(name))).toEqual([
      "layers.0.rmsnorm_1.weight",
      "layers.1.rmsnorm_1.weight",
    ]);
    const weight = await checkpoint.read("layers.0.rmsnorm_1.weight", [16]);
    await checkpoint.close();
    const old = await createModel(compiled, "train", { host: nodeHost, workers: 1 });
    await loadNewest(files, run, old, "all");

    const bundle = await compileModel(model, { modules: ["train"], targets: ["simd"] });
    const now = await createModel(bundle, "train", { host: nodeHost, workers: 1 });
    await loadNewest(files, run, now, "all");
    expect(bitsOf(now)).toBe(bitsOf(old));
    await now.close();
    await old.close();

    expect(await sinter("sample", "old", "-n", "4", ...flags)).toMatchObject({ code: 0 });
    const begun = await sinter(
      "train",
      "m.sinter",
      "--from",
      "old",
      "--data",
      "text.txt",
      "--out",
      "begun",
      ...flags,
    );
    expect(begun).toMatchObject({ code: 0 });
    const first = await openCheckpoint(files, `${folder}/begun/step-000000.safetensors`);
    expect([...first.tensors.keys()].filter((name) => /rmsnorm/.test(name))).toEqual([
      "layers.0.rmsnorm.weight",
      "layers.1.rmsnorm.weight",
    ]);
    expect(await first.read("layers.0.rmsnorm.weight", [16])).toEqual(weight);
    expect(Math.max(...weight)).not.toBe(1);
    await first.close();
    expect(await sinter("eval", "old", "--json", ...flags)).toMatchObject({ code: 0 });
  },
);
