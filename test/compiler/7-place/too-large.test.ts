/**
 * A model with a layer that no memory holds is refused before anything is compiled: exit 4, exact bytes,
 * nothing left behind.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { main } from "../../../app/cli/main.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sinter-large-"));
  writeFileSync(
    join(folder, "large.sinter"),
    `model large {
  context 64  width 8192  layers 2  heads 64
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
}\n`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function sinter(...args: readonly string[]): Promise<{ code: number; text: string }> {
  let text = "";
  const code = await main(args, {
    out: (t) => void (text += t),
    err: (t) => void (text += t),
    tty: false,
    columns: 100,
    cwd: folder,
  });
  return { code, text };
}

test("train refuses it, and leaves no folder", async () => {
  const { code, text } = await sinter("train", "large.sinter", "--out", "run", "--target", "simd");
  expect(code).toBe(exitCodes.memory);
  expect(text).toMatch(/large: the module `train` needs [\d.]+ GiB and is cut into parts/);
  expect(text).toContain("one layer alone needs 12.4 GiB, a WebAssembly memory ends at 4 GiB");
  expect(readdirSync(folder)).toEqual(["large.sinter"]);
});

test("compile refuses what was asked for", async () => {
  const { code } = await sinter(
    "compile",
    "large.sinter",
    "-o",
    "out",
    "--module",
    "train",
    "--target",
    "simd",
  );
  expect(code).toBe(exitCodes.memory);
  expect(readdirSync(folder)).toEqual(["large.sinter"]);
});

test("check says so beforehand", async () => {
  const { code, text } = await sinter("check", "large.sinter");
  expect(code).toBe(exitCodes.ok);
  expect(text).toMatch(/memory: train [\d,]+ bytes \([\d.]+ GiB, more than the 4 GiB of one memory, and/);
  expect(text).toMatch(/and one layer alone needs 12.4 GiB\), infer [\d,]+ bytes/);
});
