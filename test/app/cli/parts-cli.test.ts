/**
 * A model in several memories on the command line: refused or cut according to the limit, sampled and
 * evaluated like any other.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { run, sinter } from "../../support/command-line.ts";
import { shared } from "../../runtime/formats/shared.ts";

const SPEC = `model small { vocab 256  context 64  width 64  layers 4  heads 4
  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 2  context 32  steps 12  lr 1e-2 }
}
`;

const scratch = mkdtempSync(join(tmpdir(), "sinter-parts-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeAll(() => {
  writeFileSync(at("small.sinter"), SPEC);
  writeFileSync(at("text.txt"), "The cat sat on the mat. The dog sat on the log. ".repeat(40));
});

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "bundle", "manifest.json"), "utf8")) as Manifest;
const train = (folder: string, ...more: string[]): Promise<string> =>
  sinter(
    "train",
    at("small.sinter"),
    "--data",
    at("text.txt"),
    "--out",
    folder,
    "--target",
    "simd",
    "--json",
    ...more,
  );

/** What a person sees of a run: its greedy text, and its loss over a text. */
async function seen(folder: string, prompt: string, data: string): Promise<string> {
  const text = await sinter("sample", folder, "-p", prompt, "-n", "40", "--temp", "0", "--target", "simd");
  return text + (await sinter("eval", folder, "--data", data, "--target", "simd"));
}

describe("a run folder", () => {
  beforeAll(async () => {
    await train(at("trained"));
    await sinter("export", at("trained"), "--to", "hf", "-o", at("hf"));
  });

  it("says the same, and has the same weights, if it was trained in several memories", async () => {
    await train(at("divided"), "--memory-limit", "4MiB");
    const { parts } = manifestOf(at("divided")).modules.train!;
    expect(parts!.length).toBe(2);
    expect(await seen(at("divided"), "The ", at("text.txt"))).toBe(
      await seen(at("trained"), "The ", at("text.txt")),
    );
    await sinter("export", at("divided"), "--to", "hf", "-o", at("divided-hf"));
    const weights = (folder: string): Buffer => readFileSync(join(at(folder), "model.safetensors"));
    expect(weights("divided-hf").equals(weights("hf"))).toBe(true);
    expect(await sinter("train", "--resume", "--out", at("divided"), "--steps", "13")).toMatch(/step 13\b/);
  });

  it("of an imported model says the same in one memory and in several", async () => {
    await sinter("import", at("hf"), "-o", at("one"), "--target", "simd");
    const expected = await seen(at("one"), "The ", at("text.txt"));
    for (const limit of ["2.2MiB", "1910KiB"]) {
      const folder = at(`cut-${limit}`);
      await sinter("import", at("hf"), "-o", folder, "--target", "simd", "--memory-limit", limit);
      const { parts } = manifestOf(folder).modules.infer!;
      expect(parts!.length).toBe(limit === "2.2MiB" ? 2 : 5);
      expect(await seen(folder, "The ", at("text.txt"))).toBe(expected);
    }
  });

  const stories = shared("checkpoints/stories260K/stories260K.bin");
  it.skipIf(!stories.there)(
    `of stories260K, each layer in its own memory, with one file for all of them ${stories.why}`,
    async () => {
      await sinter("import", stories.path, "-o", at("stories"), "--target", "simd");
      await sinter(
        "import",
        stories.path,
        "-o",
        at("stories-cut"),
        "--target",
        "simd",
        "--memory-limit",
        "6500KiB",
      );
      const { parts } = manifestOf(at("stories-cut")).modules.infer!;
      expect(parts!.map((p) => p.holds)).toEqual([
        "embedding, output",
        "layer 0",
        "layer 1",
        "layer 2",
        "layer 3",
        "layer 4",
      ]);
      expect(new Set(parts!.slice(1).map((p) => p.wasm.simd!.file))).toEqual(new Set(["infer.1.simd.wasm"]));
      expect(await seen(at("stories-cut"), "Once upon a time", at("text.txt"))).toBe(
        await seen(at("stories"), "Once upon a time", at("text.txt")),
      );
    },
  );
});

describe("the limit", () => {
  it("is shown by check, explain, compile and the report", async () => {
    const pieces = ["embedding, layer 0, output", "layers 1…2", "layer 3"];
    const sizes = pieces.map((piece) => `[\\d.]+ [KM]iB for ${piece}`);
    expect(await sinter("check", at("small.sinter"), "--memory-limit", "1.1MiB")).toMatch(
      new RegExp(`infer [\\d,]+ bytes in 3 parts \\(${sizes.join("; ")}\\)`),
    );
    expect(
      await sinter("explain", at("small.sinter"), "--module", "infer", "--memory-limit", "1.1MiB"),
    ).toMatch(/part 1 of 3: layers 1…2\nmodule infer: \d+ bytes of memory/);
    const { out, err } = await run(
      "compile",
      at("small.sinter"),
      "-o",
      at("bundle"),
      "--target",
      "simd",
      "--memory-limit",
      "1.1MiB",
    );
    expect(err).toMatch(/left out the module `train`: it needs [\d,]+ bytes/);
    expect(err).toMatch(/more than the 1.10 MiB of one memory, and one layer alone needs [\d.]+ MiB\)/);
    expect(out).toMatch(/infer 0 simd .*\n.*infer 1 simd .*\n.*infer 2 simd/);
    expect(readFileSync(join(at("bundle"), "report.txt"), "utf8")).toMatch(
      new RegExp(
        "module infer: [\\d.]+ MiB in 3 parts, each with its memory; " +
          "between two of them only rows of 64 numbers cross",
      ),
    );
  });

  it("refuses what no cut makes fit, with its bytes", async () => {
    const { code, err } = await run(
      "compile",
      at("small.sinter"),
      "-o",
      at("none"),
      "--module",
      "infer",
      "--target",
      "simd",
      "--memory-limit",
      "800KiB",
    );
    expect(code).toBe(exitCodes.memory);
    expect(err).toMatch(
      new RegExp(
        "the module `infer` needs [\\d.]+ MiB and is cut into parts, but one layer alone needs " +
          "[\\d.]+ [KM]iB, one memory may have 800 KiB \\(",
      ),
    );
    expect(await sinter("check", at("small.sinter"), "--memory-limit", "800KiB")).toMatch(
      new RegExp(
        "infer [\\d,]+ bytes \\([\\d.]+ MiB, more than the 800 KiB of one memory, " +
          "and one layer alone needs [\\d.]+ [KM]iB\\)",
      ),
    );
    const train = await run(
      "compile",
      at("small.sinter"),
      "-o",
      at("none"),
      "--module",
      "train",
      "--target",
      "simd",
      "--memory-limit",
      "800KiB",
    );
    expect(train.code).toBe(exitCodes.memory);
    const way = String.raw`\([\d.]+ MiB then, still too much\)`;
    expect(train.err).toMatch(
      new RegExp(`train with .recompute layers. ${way}, .optimizer adamw8. ${way}, or both ${way}`),
    );
    expect(train.err).toMatch(
      /is cut into parts, but the embedding alone needs [\d,.]+ [KM]iB, one memory may/,
    );
  });

  it("is that of the layers computed again, where the spec asks for it; both sizes are said", async () => {
    const again = ["--set", "train.recompute=layers"];
    const bytesOf = (text: string, how: string): string => {
      const [, bytes] = new RegExp(`${how}: train ([\\d,]+) bytes`).exec(text) ?? [];
      expect(bytes, `${how} in ${text}`).toBeDefined();
      return bytes!;
    };
    const kept = await sinter("check", at("small.sinter"));
    const recomputed = await sinter("check", at("small.sinter"), ...again);
    expect(bytesOf(kept, "with `recompute layers`")).toBe(bytesOf(recomputed, "  memory"));
    expect(bytesOf(recomputed, "without `recompute layers`")).toBe(bytesOf(kept, "  memory"));
    expect(await sinter("explain", at("small.sinter"), ...again)).toMatch(
      /computed again in the backward, [\d.]+ KiB of one layer at a time; .*\n {2}.*attention\.attended/,
    );
    expect(await sinter("explain", at("small.sinter"))).not.toMatch("computed again");
  });

  it.each(["1KiB", "5GiB", "many", "-1", "1e9", "2 TiB"])("is not %s", async (text) => {
    const { code, err } = await run("check", at("small.sinter"), "--memory-limit", text);
    expect(code).toBe(exitCodes.usage);
    expect(err).toMatch(/--memory-limit takes bytes from 64KiB to 4GiB/);
  });
});
