/**
 * Weights stay as they came: the folder of an imported model has the numbers of its source, and the model
 * computes from them what it would compute from f32.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { importRun, type ImportOptions } from "../../../app/cli/runs/import-run.ts";
import { openCheckpoint, writeCheckpoint } from "../../../runtime/store/checkpoint-file.ts";
import type { TrainState } from "../../../runtime/store/train-state.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import { numberFormats, type FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { openPublished } from "../../../runtime/formats/published.ts";
import type { ReadFormat } from "../../../runtime/formats/kit/weights.ts";
import { inHeader, storedRows, type StoredFormat } from "../../../runtime/store/stored-format.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { pieceHash } from "../../../runtime/base/piece-hash.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { readHeader, writeHeader } from "../../../runtime/store/safetensors.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import { rowTaker } from "../../../runtime/store/take-rows.ts";
import { tensorIn, type Tensor } from "../../../runtime/engine/tensors.ts";
import { idTokenizer } from "../../../runtime/tokenizers/plain/ids.ts";
import { rowFloats } from "../../../runtime/contract/tensor-layout.ts";
import { weightWords } from "../../../runtime/contract/weight-rows.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";
import { run, sinter } from "../../support/command-line.ts";
import { randomGguf } from "../formats/random-gguf.ts";
import { smallLlama } from "../../support/small-models.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-kept-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const files = nodeFiles();
const CHECKPOINT = "step-000000.safetensors";

/** Imports a random GGUF file, and returns the folder. */
async function imported(
  name: string,
  type: ReadFormat | ((tensor: string) => ReadFormat),
  ...more: string[]
): Promise<{ folder: string; said: string }> {
  const folder = at(name);
  const source = at(`${name}.gguf`);
  if (!existsSync(source)) writeFileSync(source, randomGguf(type, 5));
  return { folder, said: await sinter("import", source, "-o", folder, ...more) };
}

/** The bytes of a tensor in the file that was imported. */
async function bytesIn(type: string, name: string): Promise<Uint8Array> {
  const gguf = await openGguf(files, at(`${type}.gguf`));
  const tensor = gguf.tensors.get(name)!;
  const out = new Uint8Array(tensor.bytes);
  await tensor.fill(0, out);
  await gguf.close();
  return out;
}

const sampled = async (folder: string, ...more: string[]): Promise<string> =>
  JSON.stringify(
    (
      JSON.parse(
        await sinter(
          "sample",
          folder,
          "-p",
          "1 17 200 33",
          "--temp",
          "0",
          "-n",
          "6",
          "--json",
          "--logprobs",
          "3",
          ...more,
        ),
      ) as { logprobs: unknown }
    ).logprobs,
  );

describe("an imported model", () => {
  it.each(["Q4_0", "Q8_0", "BF16", "F16", "F32"] as const)(
    "of %s: the file's own bytes, and the same numbers as by way of f32",
    async (type) => {
      const { folder } = await imported(type, type);
      const gguf = await openGguf(files, at(`${type}.gguf`));
      const checkpoint = await openCheckpoint(files, join(folder, CHECKPOINT));
      const bytesOf = async (name: string): Promise<Uint8Array> => {
        const tensor = gguf.tensors.get(name)!;
        const out = new Uint8Array(tensor.bytes);
        await tensor.fill(0, out);
        return out;
      };
      const stored = async (name: string, shape: readonly number[]): Promise<Buffer> => {
        const parts: Buffer[] = [];
        await checkpoint.rows(name, shape, (bytes) => void parts.push(Buffer.from(bytes)));
        return Buffer.concat(parts);
      };
      const { width, heads, headDim, kvHeads, hidden } = smallLlama;
      expect(checkpoint.formatOf("layers.1.swiglu.down.weight")).toEqual({ type, transposed: true });
      expect(
        (await stored("layers.1.swiglu.down.weight", [hidden, width])).equals(
          await bytesOf("blk.1.ffn_down.weight"),
        ),
      ).toBe(true);
      const qkv = Buffer.concat(
        await Promise.all(["q", "k", "v"].map((part) => bytesOf(`blk.0.attn_${part}.weight`))),
      );
      expect(
        (await stored("layers.0.attention.qkv.weight", [width, (heads + 2 * kvHeads) * headDim])).equals(qkv),
      ).toBe(true);
      await checkpoint.close();
      await gguf.close();
      const weights = { Q4_0: "q4_0", Q8_0: "q8_0", BF16: "bf16", F16: "bf16", F32: "f32" }[type];
      const { folder: exact } = await imported(`${type}-exact`, type, "--dtype", "f32");
      expect(await sampled(folder)).toBe(await sampled(exact, "--weights", weights));
      expect(await sampled(folder, "--weights", "f32")).toBe(await sampled(exact));
      const out = at(`${type}-out.gguf`);
      await sinter("export", folder, "--to", "gguf", "--dtype", type.toLowerCase(), "-o", out);
      const again = await openGguf(files, out);
      for (const tensor of again.tensors.values()) {
        const found = new Uint8Array(tensor.bytes);
        await tensor.fill(0, found);
        expect(Buffer.from(found).equals(await bytesIn(type, tensor.name)), tensor.name).toBe(true);
      }
      await again.close();
      if (type === "Q4_0")
        expect(await sampled(folder, "--weights", "q8_0")).toBe(await sampled(exact, "--weights", "q8_0"));
    },
  );

  it.each(["Q4_0", "Q8_0", "BF16", "F16"] as const)(
    "of %s goes out again as it is kept, bit for bit: random blocks, of which no rule would make the same",
    async (type) => {
      const name = `${type}-blocks`;
      const { folder } = await imported(name, type);
      const out = at(`${type}-again.gguf`);
      expect(await sinter("export", folder, "--to", "gguf", "-o", out, "--force")).toContain(
        `most of it ${type.toLowerCase()}`,
      );
      const [source, again] = await Promise.all(
        [at(`${name}.gguf`), out].map((path) => openGguf(files, path)),
      );
      for (const [tensorName, { bytes }] of source!.tensors) {
        const [was, is] = await Promise.all(
          [source!, again!].map(async ({ tensors }) => {
            const tensor = tensors.get(tensorName)!;
            const all = new Uint8Array(tensor.bytes);
            await tensor.fill(0, all);
            return Buffer.from(all);
          }),
        );
        expect(is!.length, tensorName).toBe(bytes);
        expect(is!.equals(was!), tensorName).toBe(true);
      }
      await Promise.all([source!.close(), again!.close()]);
      const hf = at(`${type}-hf`); // this form has no blocks
      expect(await sinter("export", folder, "--to", "hf", "-o", hf)).toContain(
        `most of it ${type.startsWith("Q") ? "f32" : type.toLowerCase()}`,
      );
    },
  );

  it("of several formats: each tensor in the nearest of ours, said in a line", async () => {
    const { folder, said } = await imported("mixed", (name) =>
      name === "token_embd.weight"
        ? "Q6_K"
        : name === "output.weight"
          ? "Q5_K"
          : name.includes("attn_v")
            ? "Q4_1"
            : "Q4_0",
    );
    expect(said).toMatch(/Q6_K is kept as Q8_0/);
    expect(said).toMatch(/Q4_1 is kept as Q8_0/);
    const checkpoint = await openCheckpoint(files, join(folder, CHECKPOINT));
    expect(
      Object.fromEntries(
        [
          "token_embedding.weight",
          "output.linear.weight",
          "layers.0.attention.qkv.weight",
          "layers.0.swiglu.up.weight",
        ].map((n) => [n, checkpoint.formatOf(n).type]),
      ),
    ).toEqual({
      "token_embedding.weight": "Q8_0",
      "output.linear.weight": "Q8_0",
      "layers.0.attention.qkv.weight": "Q8_0",
      "layers.0.swiglu.up.weight": "Q4_0",
    });
    await checkpoint.close();
    const { modules } = JSON.parse(readFileSync(join(folder, "bundle/manifest.json"), "utf8")) as {
      modules: { infer: { tensors: { name: string; quantised?: { format: string } }[] } };
    };
    expect(modules.infer.tensors.flatMap((t) => (t.quantised ? [t.quantised.format] : []))).toEqual(
      expect.arrayContaining(["q8_0", "q4_0"]),
    );
    await sampled(folder);
  });

  it("as q4_0: table and output in q8_0, unless asked for", async () => {
    const types = async (folder: string): Promise<string[]> => {
      const checkpoint = await openCheckpoint(files, join(folder, CHECKPOINT));
      const out = ["token_embedding.weight", "output.linear.weight", "layers.0.swiglu.up.weight"].map(
        (n) => checkpoint.formatOf(n).type,
      );
      await checkpoint.close();
      return out;
    };
    expect(await types((await imported("to-q4", "F32", "--dtype", "q4_0")).folder)).toEqual([
      "Q8_0",
      "Q8_0",
      "Q4_0",
    ]);
    expect(
      await types((await imported("to-mix", "F32", "--dtype", "q8_0,table=bf16,output=q4_0")).folder),
    ).toEqual(["BF16", "Q4_0", "Q8_0"]);
    expect((await run("import", at("F32.gguf"), "-o", at("no"), "--dtype", "q5_0")).code).toBe(2);
    expect((await run("import", at("F32.gguf"), "-o", at("no"), "--dtype", "q4_0,tabel=q8_0")).code).toBe(2);
    expect(existsSync(at("no"))).toBe(false);
  });

  it("is where training begins", async () => {
    const { folder } = await imported("to-train", "Q8_0");
    writeFileSync(at("ids.txt"), Array.from({ length: 2000 }, (_, i) => (i * 7) % 320).join(" "));
    const set = ["batch=1", "context=16", "steps=2"].flatMap((s) => ["--set", `train.${s}`]);
    const said = await sinter(
      "train",
      "--from",
      folder,
      "--data",
      at("ids.txt"),
      "--out",
      at("trained"),
      "--workers",
      "1",
      "--eval-every",
      "0",
      "--sample-every",
      "0",
      ...set,
    );
    expect(said).toContain("step 2/2");
    const exact = await imported("to-train-exact", "Q8_0", "--dtype", "f32");
    const [a, b] = await Promise.all(
      [folder, exact.folder].map(async (f) =>
        (await openCheckpoint(files, join(f, CHECKPOINT))).read("layers.0.swiglu.gate.weight", [256, 512]),
      ),
    );
    expect(Buffer.from(a!.buffer).equals(Buffer.from(b!.buffer))).toBe(true);
  });
});

describe("an import that fails", () => {
  const options = (folder: string, on: Files): ImportOptions => ({
    files: on,
    folder,
    tokenizer: idTokenizer(320),
    target: "simd",
    memoryLimit: undefined,
    lanes: undefined,
    sample: {},
    dtype: undefined,
    tiles: undefined,
    io: { out() {}, err() {}, tty: false, columns: 80, cwd: scratch },
  });
  const attempt = async (name: string, on: Files): Promise<unknown> => {
    writeFileSync(at(`${name}.gguf`), randomGguf("Q8_0", 5));
    const published = await openPublished(files, at(`${name}.gguf`));
    try {
      return await importRun(published, options(at(name), on)).catch((error: unknown) => error);
    } finally {
      await published.file.close();
    }
  };
  it("for want of room says so before it writes anything", async () => {
    const error = await attempt("full", {
      ...files,
      freeBytes: async () => 1000,
      create: () => Promise.reject(new Error("written")),
    });
    expect(error).toBeInstanceOf(SinterError);
    expect((error as SinterError).message).toMatch(/\d+ bytes are needed, and the disk has 1000 left/);
    expect(existsSync(at("full"))).toBe(false);
  });
  it("while it writes, or is interrupted, leaves no folder", async () => {
    let writes = 0;
    const error = await attempt("broken", {
      ...files,
      create: async (path) => {
        const file = await files.create(path);
        return {
          ...file,
          write: (bytes) =>
            ++writes > 4
              ? Promise.reject(
                  new SinterError("input", `cannot write ${path}: no space is left on the disk (ENOSPC)`),
                )
              : file.write(bytes),
        };
      },
    });
    expect((error as SinterError).message).toContain("ENOSPC");
    expect(existsSync(at("broken"))).toBe(false);
    mkdirSync(at("mine"));
    writeFileSync(at("mine/notes.txt"), "stays");
    const later = await attempt("mine", {
      ...files,
      makeFolder: async (path) =>
        path.endsWith("/bundle") ? Promise.reject(new SinterError("input", "EIO")) : files.makeFolder(path),
    });
    expect((later as SinterError).message).toBe("EIO");
    expect(await files.list(at("mine"))).toEqual(["notes.txt"]);
  });
  it("of a file that ends too soon names the tensor, and nothing is written", async () => {
    const whole = randomGguf("Q8_0", 5);
    writeFileSync(at("short.gguf"), whole.subarray(0, whole.length - 5000));
    const { code, err } = await run("import", at("short.gguf"), "-o", at("short"));
    expect(code).toBe(3);
    expect(err).toMatch(/tensor "output.weight" ends at byte \d+ of a file of \d+/);
    expect(existsSync(at("short"))).toBe(false);
  });
});

describe("rows of a file go to their places in memory", () => {
  const types = Object.keys(numberFormats) as FloatFormat[];
  const memories = ["f32", "bf16", "q8_0", "q4_0"] as const;
  const cases = types
    .flatMap((type) =>
      [true, false].flatMap((transposed) => memories.map((memory) => ({ type, transposed, memory }))),
    )
    .filter(({ type, transposed }) => transposed || numberFormats[type].block === 1);
  const shapes = [
    [70, 37],
    [300, 24],
    [2, 64, 19],
    [32, 1],
  ];

  /** A function that makes empty tensors of a shape, in a module that holds weights in a format. */
  function tensorMaker(shape: readonly number[], memory: (typeof memories)[number]): () => Tensor {
    const [K, N] = shape.slice(-2) as [number, number];
    const matrices = shape.length === 3 ? shape[0]! : 1;
    const place = { name: "w", storage: "parameter", shape, slices: 2, layered: true, offset: 0 } as const;
    const isFloats = memory === "f32";
    const ld = isFloats ? rowFloats(N) : rowFloats(weightWords(memory, K));
    const stride = 4 * ld * matrices * (isFloats ? K : N);
    const rest = { ...place, rowFloats: ld, stride };
    return () =>
      tensorIn(
        new ArrayBuffer(2 * stride),
        isFloats
          ? { ...rest, dtype: "f32" }
          : { ...rest, dtype: "i32", quantised: { format: memory, transposed: true } },
      );
  }

  /** Random rows as a file stores them, and the numbers that they stand for, in the model's shape. */
  function randomRows(shape: readonly number[], format: StoredFormat): RandomRows {
    const [K, N] = shape.slice(-2) as [number, number];
    const next = noise(3);
    const { block, bytes, encode, decode } = numberFormats[format.type];
    const { rows, rowsEach, columns, rowBytes } = storedRows(shape, format);
    expect(bytes * Math.ceil(columns / block)).toBe(rowBytes);
    const stored = new Uint8Array(rows * rowBytes);
    const dense = new Float32Array(rows * columns);
    for (let r = 0; r < rows; r++) {
      const row = new Float32Array(Math.ceil(columns / block) * block).map((_, i) =>
        i < columns ? next() : 0,
      );
      const to = stored.subarray(r * rowBytes, (r + 1) * rowBytes);
      encode(row, to);
      decode(to, row);
      const matrix = Math.floor(r / rowsEach);
      const each = r % rowsEach;
      for (let c = 0; c < columns; c++)
        dense[matrix * K * N + (format.transposed ? c * N + each : each * N + c)] = row[c]!;
    }
    return { stored, dense, rows, rowBytes };
  }

  it.each(cases)("$type, transposed: $transposed, to $memory", ({ type, transposed, memory }) => {
    for (const shape of shapes) {
      const format: StoredFormat = { type, transposed };
      const { stored, dense, rows, rowBytes } = randomRows(shape, format);
      const make = tensorMaker(shape, memory);
      const wanted = make();
      const found = make();
      const take = rowTaker(found, 1, format);
      wanted.write(dense, 1);
      for (let first = 0; first < rows; first += 7) {
        const count = Math.min(7, rows - first);
        take(stored.slice(first * rowBytes, (first + count) * rowBytes), first, count);
      }
      const bits = (tensor: Tensor): Buffer =>
        Buffer.from(Int32Array.from(tensor.padded(1) as Int32Array).buffer);
      expect(bits(found).equals(bits(wanted)), `${shape}`).toBe(true);
      expect([...found.padded(1)], `${shape}`).toEqual([...wanted.padded(1)]);
      expect(found.padded(0).every((v) => v === 0)).toBe(true);
    }
  });
});

/** Rows in the form of a file, and the same numbers as the model has them. */
interface RandomRows {
  readonly stored: Uint8Array;
  readonly dense: Float32Array;
  readonly rows: number;
  readonly rowBytes: number;
}

describe("a checkpoint with tensors that are not plain f32", () => {
  const state: TrainState = { step: 0, tokens: 0, batches: randomStream(1, "batches").state(), identity: {} };
  const format: StoredFormat = { type: "Q8_0", transposed: true };
  const bytes = new Uint8Array(16 * 68).fill(1); // [64, 16] becomes 16 rows of two blocks
  /** The written checkpoint with another state. */
  async function forged(
    change: (state: Record<string, unknown>) => void,
    dtype: ReturnType<typeof inHeader> = inHeader([64, 16], format),
  ): Promise<unknown> {
    await writeCheckpoint(
      files,
      scratch,
      "forged.safetensors",
      [{ name: "a", shape: [64, 16], format, bytes: () => [bytes] }],
      state,
    );
    const file = readFileSync(at("forged.safetensors"));
    const length = Number(file.readBigUInt64LE(0));
    const { metadata } = readHeader(file.subarray(8, 8 + length), file.length, "x");
    const stored = JSON.parse(metadata.get("sinter")!) as Record<string, unknown>;
    change(stored);
    const json = JSON.stringify(stored);
    writeFileSync(
      at("forged.safetensors"),
      Buffer.concat([
        writeHeader([{ name: "a", ...dtype }], { sinter: json, sinter_sha256: await sha256(json) }),
        bytes,
      ]),
    );
    try {
      const opened = await openCheckpoint(files, at("forged.safetensors"));
      try {
        return await opened.read("a", [64, 16]);
      } finally {
        await opened.close();
      }
    } catch (error) {
      return error;
    }
  }
  it("is read back, and refused when its state or a byte is another", async () => {
    expect(((await forged(() => {})) as Float32Array).length).toBe(1024);
    for (const value of [
      { type: "Q5_0", turned: true },
      { type: "toString", turned: true },
      { type: "Q8_0" },
      null,
      7,
    ])
      expect(await forged((s) => void (s["kept"] = { a: value }))).toMatchObject({ kind: "corrupt" });
    for (const value of [
      { type: "Q4_0", turned: true },
      { type: "Q8_0", turned: false },
      { type: "F32", turned: false },
    ])
      expect(await forged((s) => void (s["kept"] = { a: value }))).toMatchObject({
        kind: "corrupt",
        message: expect.stringContaining("tensor a is U8"),
      });
    expect(await forged((s) => void (s["sha256"] = { a: "0".repeat(64) }))).toMatchObject({
      kind: "corrupt",
      message: expect.stringMatching(/tensor a, at offset \d+, is damaged/),
    });
    expect(await forged((s) => void (s["version"] = 3))).toMatchObject({
      kind: "corrupt",
      message: expect.stringContaining("versions 1 and 2"),
    });
  });
  it("a scale that is not a number is refused when it is written", async () => {
    const bad = bytes.slice();
    bad[34 * 5 + 1] = 0x7c;
    await expect(
      writeCheckpoint(
        files,
        scratch,
        "bad.safetensors",
        [{ name: "a", shape: [64, 16], format, bytes: () => [bad] }],
        state,
      ),
    ).rejects.toMatchObject({
      kind: "input",
      message: expect.stringContaining("a has a value that is not a number"),
    });
    expect(existsSync(at("bad.safetensors")) || existsSync(at("bad.safetensors.tmp"))).toBe(false);
  });
  it("hashes of pieces are the same with and without the host's help, however the bytes come", async () => {
    const data = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) & 255);
    const found = new Set<string>();
    for (const start of [undefined, files.digester])
      for (const step of [1000, 7, 300]) {
        const hash = pieceHash(start, 256);
        for (let i = 0; i < data.length; i += step) await hash.update(data.subarray(i, i + step));
        found.add(await hash.hex());
      }
    expect(found.size).toBe(1);
    const short = pieceHash(undefined, 1000);
    await short.update(data);
    expect(await short.hex()).toBe(await sha256(data));
    expect(found.has(await sha256(data))).toBe(false);
  });
});
