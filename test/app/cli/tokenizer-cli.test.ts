/** `sinter tokenizer`, and a run that keeps the tokenizer it was trained with. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataPath, withData } from "../../support/tokenizer-data.ts";
import { inside as runInside } from "../../support/inside.ts";
import { SINTER } from "../../support/paths.ts";

const TEXT = "the cat sat on the mat; the cat ate the rat. That is that, said the cat.\n".repeat(60);
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sinter-tokenizer-"));
  writeFileSync(join(folder, "cats.txt"), TEXT);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  return runInside(argv, folder);
}

describe("sinter tokenizer", () => {
  it("trains, encodes and decodes", async () => {
    const trained = await run(
      "tokenizer",
      "train",
      "cats.txt",
      "--vocab",
      "280",
      "-o",
      "cats.json",
      "--json",
    );
    expect(trained).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(trained.out)).toMatchObject({
      out: "cats.json",
      vocab: 280,
      merges: 23,
      bytes: TEXT.length,
    });
    const encoded = await run("tokenizer", "encode", "-t", "cats.json", "the cat", "sat", "--json");
    const { tokens, pieces } = JSON.parse(encoded.out) as { tokens: number[]; pieces: string[] };
    expect(pieces.join("")).toBe("the cat sat");
    expect(await run("tokenizer", "decode", "-t", "cats.json", ...tokens.map(String))).toEqual({
      code: 0,
      out: "the cat sat",
      err: "",
    });
    expect(
      (await run("tokenizer", "encode", "-t", "cats.json", "a<|endoftext|>", "--allow-special")).out,
    ).toMatch(/ 0\n$/);
    expect(
      (await run("tokenizer", "decode", "-t", "cats.json", "[0, 65]", "--skip-special")).out.length,
    ).toBe(1);
  });

  it("reads and writes standard streams", () => {
    const sinter = (input: string, ...argv: string[]) =>
      spawnSync(process.execPath, [SINTER, "tokenizer", ...argv], {
        input,
        cwd: folder,
        encoding: "utf8",
      });
    const ids = sinter("héllo\n", "encode", "-t", "bytes");
    expect(ids).toMatchObject({ status: 0, stdout: "104 195 169 108 108 111 10\n" });
    expect(sinter(ids.stdout, "decode", "-t", "bytes")).toMatchObject({ status: 0, stdout: "héllo\n" });
    expect(sinter("ab ab", "train", "--vocab", "260", "-o", "piped.json")).toMatchObject({
      status: 0,
      stderr: "",
    });
  });

  it.each([
    [["tokenizer", "shred"], 2, /train, encode, decode/],
    [["tokenizer", "encode", "x"], 2, /which tokenizer/],
    [["tokenizer", "encode", "-t", "nowhere", "x"], 1, /no file or folder/],
    [["tokenizer", "decode", "-t", "bytes", "256"], 1, /ids are 0 … 255/],
    [["tokenizer", "decode", "-t", "bytes", "x"], 1, /number 1, `x`/],
    [["tokenizer", "train", "nowhere.txt"], 1, /nowhere\.txt/],
    [["tokenizer", "train", "cats.txt", "--pattern", "(a+)+"], 2, /gpt2: GPT-2/],
    [["tokenizer", "train", "cats.txt", "--vocab", "100"], 2, /--vocab takes/],
    [["tokenizer", "encode", "-t", "bytes", "--bos", "x"], 1, /begins a text/],
    [["tokenizer", "encode", "-t", "cats.txt", "x"], 1, /no file of a tokenizer/],
  ] as const)("%j is refused in one message", async (argv, code, says) => {
    const { code: got, err, out } = await run(...argv);
    expect([got, out]).toEqual([code, ""]);
    expect(err).toMatch(says);
  });

  it("does not overwrite", async () => {
    writeFileSync(join(folder, "mine.json"), "mine");
    expect((await run("tokenizer", "train", "cats.txt", "--vocab", "270", "-o", "mine.json")).code).toBe(1);
    expect(readFileSync(join(folder, "mine.json"), "utf8")).toBe("mine");
  });

  it.skipIf(!withData)("knows published files by their content (needs ../shared/data)", async () => {
    const first = async (path: string): Promise<string> =>
      (await run("tokenizer", "encode", "-t", dataPath(path), "Hello world")).out;
    expect(await first("tokenizers/gpt2")).toBe("15496 995\n");
    expect(await first("tokenizers/gpt2/encoder.json")).toBe("15496 995\n");
    expect(await first("tokenizers/llama3")).toBe("9906 1917\n");
    expect(await first("tokenizers/llama2/tokenizer.model")).toBe("15043 3186\n");
    expect(await first("tokenizers/llama2/tokenizer.bin")).toBe("15043 3186\n");
    expect(await first("checkpoints/stories260K/tok512.bin")).toMatch(/^346 /);
    expect(
      (
        await run(
          "tokenizer",
          "encode",
          "-t",
          dataPath("checkpoints/tinystories-656k"),
          "Once upon a time",
          "--bos",
        )
      ).out,
    ).toBe("1 80 147 201 282 57\n");
  });
});

describe("a run with a tokenizer.json", () => {
  const spec =
    "model cats { vocab 280 context 16 width 16 layers 1 heads 2 embed token + position layer { x += " +
    "attention(layernorm(x)) x += mlp(layernorm(x), hidden: 32) } output linear(layernorm(x)) tokenizer " +
    "json train { batch 2 steps 2 } }";

  it("keeps it, evaluates and samples with it", async () => {
    writeFileSync(join(folder, "cats.sinter"), spec);
    expect((await run("tokenizer", "train", "cats.txt", "--vocab", "280", "-o", "run.json")).code).toBe(0);
    const missing = await run("train", "cats.sinter", "--data", "cats.txt", "--out", "r0");
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.err).toContain("tokenizer.json");
    const trained = await run(
      "train",
      "cats.sinter",
      "--data",
      "cats.txt",
      "--tokenizer",
      "run.json",
      "--out",
      "r",
      "--json",
    );
    expect(trained).toMatchObject({ code: 0, err: "" });
    expect(readFileSync(join(folder, "r/tokenizer/tokenizer.json"), "utf8")).toBe(
      readFileSync(join(folder, "run.json"), "utf8"),
    );
    const sampled = await run("sample", "r", "-p", "the cat", "-n", "5", "--json");
    expect(sampled).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(sampled.out)).toMatchObject({ prompt: "the cat" });
    expect((await run("eval", "r", "--data", "cats.txt", "--json")).code).toBe(0);
    expect((await run("tokenizer", "encode", "-t", "r", "the cat")).out).toBe(
      (await run("tokenizer", "encode", "-t", "run.json", "the cat")).out,
    );
  });

  it("refuses one with more tokens than the model has", async () => {
    const small = await run(
      "train",
      "cats.sinter",
      "--set",
      "vocab=270",
      "--data",
      "cats.txt",
      "--tokenizer",
      "run.json",
      "--out",
      "r2",
    );
    expect(small).toMatchObject({ code: 1 });
    expect(small.err).toMatch(/has 280 tokens, the model's vocabulary 270/);
  });
});
