/**
 * generated/tiny is what the compiler makes of specs/tiny.sinter today, byte for byte. UPDATE=1 renews it:
 * read the diff.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel } from "../../../compiler/compile.ts";
import { shippedSpec } from "../../support/paths.ts";

const folder = new URL("../../../generated/tiny/", import.meta.url);
const source = shippedSpec("tiny");

async function compileTiny(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { models, diagnostics } = checkSource(source);
  expect(diagnostics).toEqual([]);
  return (await compileModel(models[0]!, { targets: ["wide"], verify: true })).files;
}

test("generated/tiny is fresh", async () => {
  const files = await compileTiny();
  if (process.env["UPDATE"]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [name, contents] of files) writeFileSync(new URL(name, folder), contents);
  }
  expect(readdirSync(folder).sort()).toEqual([...files.keys()].sort());
  for (const [name, contents] of files)
    expect(
      Buffer.from(contents).equals(readFileSync(new URL(name, folder))),
      `${name} has changed: UPDATE=1 npx vitest run test/compiler/9-bundle/generated.test.ts`,
    ).toBe(true);
});

test("same spec, same bytes, whatever was compiled before", async () => {
  const first = await compileTiny();
  const other = checkSource(source, { set: { width: "48", heads: "3", layers: "5" } }).models[0]!;
  await compileModel(other, { targets: ["simd"] });
  const second = await compileTiny();
  expect([...second].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")])).toEqual(
    [...first].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]),
  );
});

test("imports and exports are a fixed list, and no name of the spec's is in the source", async () => {
  const spec = source
    .replace("model tiny", "model zebra-crossing")
    .replace(
      "x += attention(layernorm(x), bias: true)",
      "giraffe = layernorm(x)\n x += attention(giraffe, bias: true)",
    );
  const { models, diagnostics } = checkSource(spec);
  expect(diagnostics).toEqual([]);
  const { files } = await compileModel(models[0]!, { targets: ["wide"] });
  for (const [module, entries] of [
    ["train", ["decode", "evaluate", "prefill", "train"]],
    ["infer", ["decode", "evaluate", "prefill"]],
  ] as const) {
    const wasm = new WebAssembly.Module(files.get(`${module}.wide.wasm`)! as BufferSource);
    expect(WebAssembly.Module.imports(wasm).map((i) => `${i.module}.${i.name} ${i.kind}`)).toEqual([
      "env.memory memory",
    ]);
    expect(
      WebAssembly.Module.exports(wasm)
        .map((e) => e.name)
        .sort(),
    ).toEqual(expect.arrayContaining([...entries]));
    const text = new TextDecoder().decode(files.get(`${module}.wide.kernels.ts`)!);
    expect(text).not.toMatch(/zebra|giraffe/);
  }
});
