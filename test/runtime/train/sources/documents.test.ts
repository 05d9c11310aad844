/**
 * The documents of a text: which tokens stand around them, documents as rows, and what a run remembers of
 * both.
 */
import fc from "fast-check";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkSource } from "../../../../compiler/2-check/check.ts";
import { byteCharacters } from "../../../../runtime/tokenizers/base/byte-level.ts";
import { batchSource, type Corpus } from "../../../../runtime/train/sources/batch-source.ts";
import { openCorpus } from "../../../../runtime/train/sources/corpus.ts";
import { encodeText } from "../../../../runtime/train/sources/text-windows.ts";
import {
  documentsIn,
  documentTexts,
  documentTokenizer,
  type TextRule,
} from "../../../../runtime/train/sources/documents.ts";
import { SinterError } from "../../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../../runtime/node/files.ts";
import { randomFrom, randomStream } from "../../../../runtime/base/random.ts";
import { openRun, tokenizerFor } from "../../../../runtime/store/run-folder.ts";
import { byteTokenizer } from "../../../../runtime/tokenizers/plain/bytes.ts";
import {
  charactersOf,
  characterTokenizer,
  parseCharacters,
} from "../../../../runtime/tokenizers/plain/characters.ts";
import { openTokenizer, readTokenizer } from "../../../../runtime/tokenizers/tokenizer-files.ts";
import { END_OF_TEXT, type Tokenizer } from "../../../../runtime/tokenizers/base/tokenizer.ts";
import { run, sinter } from "../../../support/command-line.ts";
import { shared } from "../../formats/shared.ts";
import { makeOldRecord } from "../../../support/old-record.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sinter-documents-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** All tensors of a checkpoint, without the header, which also says which run it is from. */
function weightsOf(name: string, step: number): Buffer {
  const bytes = readFileSync(at(`${name}/step-${String(step).padStart(6, "0")}.safetensors`));
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)));
}

describe("a running text", () => {
  const roles = (beginOfText?: number, endOfText?: number): Tokenizer => ({
    ...byteTokenizer(),
    beginOfText,
    endOfText,
  });
  const A = 97;
  const B = 98;
  const s = 1;
  const e = 2;
  it.each([
    ["begin and end", s, e, [s, A, e, s, B, e], [s, A, s, B]],
    ["end alone, as GPT-2", undefined, e, [A, e, B], [A, e, B]],
    ["begin alone", s, undefined, [s, A, s, B], [s, A, s, B]],
  ])(
    "%s: the tokens around its documents, now and under the rule of before",
    (_, begin, end, now, before) => {
      const text = `a\n${END_OF_TEXT}\nb`;
      expect([...encodeText(text, roles(begin, end), 256)]).toEqual(now);
      expect([...encodeText(text, roles(begin, end), 256, 1)]).toEqual(before);
    },
  );
  it("with a separator behind the last one, too", () => {
    const text = `a${END_OF_TEXT}b${END_OF_TEXT}\n`;
    expect([...encodeText(text, roles(s, e), 256)]).toEqual([s, A, e, s, B, e]);
    expect([...encodeText(text, roles(undefined, e), 256)]).toEqual([A, e, B, e]);
  });
  it(
    "without separators is one document, which nothing is known to end; and to a vocabulary without such " +
      "tokens all is text",
    () => {
      expect(documentsIn(" a b ", roles(s, e), 2)).toEqual([{ text: " a b ", begin: [s], end: [] }]);
      expect(documentsIn(`a${END_OF_TEXT}b`, roles(), 2)).toEqual([
        { text: `a${END_OF_TEXT}b`, begin: [], end: [] },
      ]);
    },
  );
  it("is encoded in parts that change nothing", () => {
    const text = `${"ab cd ".repeat(60_000)}${END_OF_TEXT}${"e ".repeat(500_000)}`;
    const all = encodeText(text, roles(s, e), 256);
    const [first, second] = text.split(END_OF_TEXT).map((part) => [...Buffer.from(part.trim())]);
    expect(Buffer.from(all).equals(Buffer.from([s, ...first!, e, s, ...second!, e]))).toBe(true);
  });
});

describe("documents as rows", () => {
  const letters = characterTokenizer([..."abcdefgh", END_OF_TEXT]);
  const END = 8;
  const corpusOf = (text: string, context = 4, tokenizer: Tokenizer = letters, vocab = 9): Corpus =>
    openCorpus(text, { tokenizer, vocab, train: { rows: "documents", context } });
  const shape = { batch: 2, context: 4 };

  it("are lines, or what stands between separators; empty ones are none", () => {
    expect(documentTexts("ada\r\n\n  bea \n")).toEqual({ texts: ["ada", "bea"], separator: "\n" });
    expect(documentTexts(`ada\nlovelace\n${END_OF_TEXT}\n${END_OF_TEXT}bea${END_OF_TEXT}`)).toEqual({
      texts: ["ada\nlovelace", "bea"],
      separator: END_OF_TEXT,
    });
  });

  it(
    "begin, and end as their last target; the rest of a row does not count; what does not fit is cut, and " +
      "counted",
    () => {
      const { all } = corpusOf("ab\nc\nabc\nabcd\nabcdefgh");
      expect(all).toMatchObject({ tokens: 18, documents: { count: 5, cut: 2 } });
      const rows = [...all.read(shape)].flatMap(({ tokens, targets }) =>
        [0, 4].map((b) => [[...tokens.subarray(b, b + 4)], [...targets.subarray(b, b + 4)]]),
      );
      expect(rows).toEqual([
        [
          [END, 0, 1, 0],
          [0, 1, END, -1],
        ],
        [
          [END, 2, 0, 0],
          [2, END, -1, -1],
        ],
        [
          [END, 0, 1, 2],
          [0, 1, 2, END],
        ],
        [
          [END, 0, 1, 2],
          [0, 1, 2, 3],
        ],
        [
          [END, 0, 1, 2],
          [0, 1, 2, 3],
        ],
        [
          [0, 0, 0, 0],
          [-1, -1, -1, -1],
        ],
      ]);
    },
  );

  it("are held out evenly from all of the file, and each of them is read once", () => {
    const names = Array.from(
      { length: 100 },
      (_, i) => "abcdefgh"[i % 8]! + "abcdefgh"[(i >> 3) & 7]! + (i < 64 ? "" : "a"),
    );
    const { train, heldOut } = corpusOf(names.join("\n")).split(0.1);
    expect([train.documents!.count, heldOut.documents!.count]).toEqual([90, 10]);
    const read = (part: typeof heldOut, most?: number): string[] =>
      [...part.read({ batch: 3, context: 4 }, { ...(most && { most }) })]
        .flatMap(({ targets }) =>
          [0, 4, 8].map((b) =>
            [...targets.subarray(b, b + 4)]
              .filter((t) => t >= 0 && t !== END)
              .map((t) => "abcdefgh"[t]!)
              .join(""),
          ),
        )
        .filter((t) => t !== "");
    expect(read(heldOut)).toEqual(names.filter((_, i) => i % 10 === 9));
    expect([...read(train), ...read(heldOut)].toSorted()).toEqual(names.toSorted());
    expect(read(train, 5)).toHaveLength(15);
    expect(read(train, 1000)).toHaveLength(90);
    expect(() => corpusOf("a\nb\nc").split(0.1)).toThrow(/3 documents, too few to hold out 0.1/);
    expect(corpusOf("a\nb\nc").split(0).heldOut.documents!.count).toBe(0);
  });

  it("say the documents of any text, and nothing else", () => {
    const word = fc.stringMatching(/^[ a-h\r\t]{0,7}$/);
    const between = fc.constantFrom("\n", "\r\n", "\n\n");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(word, between), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        (parts, context, batch) => {
          const text = parts.flat().join("");
          const trimmed = text
            .split("\n")
            .map((line) => line.trim())
            .filter((line) => line !== "");
          const { all } = openCorpus(text, {
            tokenizer: characterTokenizer([..."\t\r abcdefgh", END_OF_TEXT]),
            vocab: 12,
            train: { rows: "documents", context },
          });
          const said: string[] = [];
          for (const { tokens, targets } of all.read({ batch, context }))
            for (let b = 0; b < batch; b++) {
              const row = [...targets.subarray(b * context, (b + 1) * context)];
              const counted = row.filter((t) => t >= 0);
              if (counted.length === 0) continue;
              expect([...tokens.subarray(b * context, b * context + counted.length)]).toEqual([
                11,
                ...counted.slice(0, -1),
              ]); // a target is the next token
              said.push(counted.map((t) => (t === 11 ? "." : "\t\r abcdefgh"[t]!)).join(""));
            }
          expect(said).toEqual(trimmed.map((line) => `${line}.`.slice(0, context)));
          expect(all.documents).toEqual({
            count: trimmed.length,
            cut: trimmed.filter((line) => line.length >= context).length,
          });
        },
      ),
      { numRuns: 200, seed: 3 },
    );
  });

  it("are drawn by the stream alone: the same state, the same batches; in time all of them", () => {
    const corpus = corpusOf("a\nb\nc\nd");
    const source = batchSource(corpus.split(0), corpus, "hash");
    const random = randomStream(1, "batches");
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const again = randomFrom(random.state());
      const batch = source.next(random, shape, i);
      expect(source.next(again, shape, i)).toEqual(batch);
      for (const b of [0, 4]) seen.add(batch.targets[b]!);
    }
    expect(seen).toEqual(new Set([0, 1, 2, 3]));
    expect([...source.evaluate(shape)]).toEqual([]);
  });

  it("count for bits per byte as the file has them: an end is a line break, or a separator", () => {
    expect([0, END].map(corpusOf("ab\nc").bytes)).toEqual([1, 1]);
    expect([0, END].map(corpusOf(`ab${END_OF_TEXT}c`).bytes)).toEqual([1, 13]);
  });

  it(
    "begin with the token that begins texts, or with the one that ends them; a vocabulary without an end " +
      "has none",
    () => {
      expect(documentTokenizer({ ...byteTokenizer(), beginOfText: 1, endOfText: 2 })).toMatchObject({
        beginOfText: 1,
        endOfText: 2,
      });
      expect(documentTokenizer({ ...byteTokenizer(), endOfText: 2 })).toMatchObject({
        beginOfText: 2,
        endOfText: 2,
      });
      expect(documentTokenizer(byteTokenizer())).toBeUndefined();
    },
  );
});

describe("bytes and characters that end", () => {
  it.each([
    ["bytes.json", byteTokenizer({ ends: true }), 257],
    ["characters.json", characterTokenizer([..."abé", END_OF_TEXT]), 4],
  ] as const)("%s brings them back", async (file, tokenizer, size) => {
    const dir = at(file.replace(".json", ""));
    mkdirSync(dir);
    for (const [name, bytes] of tokenizer.files) writeFileSync(join(dir, name), bytes);
    expect([...tokenizer.files.keys()]).toEqual([file]);
    for (const back of [
      await readTokenizer(nodeFiles(), dir, tokenizer.name),
      await openTokenizer(nodeFiles(), dir),
    ]) {
      expect(back).toMatchObject({
        name: tokenizer.name,
        size,
        beginOfText: size - 1,
        endOfText: size - 1,
        special: new Map([[END_OF_TEXT, size - 1]]),
      });
      expect(back.encode("ab")).toEqual(tokenizer.encode("ab"));
    }
    const old = Object.keys(
      await readTokenizer(nodeFiles(), folder, "bytes").then(({ files }) => Object.fromEntries(files)),
    );
    expect(old).toEqual([]); // plain bytes need no file
    writeFileSync(
      join(dir, file),
      file === "bytes.json" ? `{"${END_OF_TEXT}":300}` : `["a","${END_OF_TEXT}","b"]`,
    );
    await expect(readTokenizer(nodeFiles(), dir, tokenizer.name)).rejects.toThrow(SinterError);
  });
  it("no text becomes the end", () => {
    expect(byteTokenizer({ ends: true }).encode(END_OF_TEXT)).toEqual([...Buffer.from(END_OF_TEXT)]);
    expect(() => characterTokenizer(["a", END_OF_TEXT]).encode(END_OF_TEXT)).toThrow(/"<"/);
    expect(parseCharacters('["a","b"]', "f")).toEqual(["a", "b"]);
  });
});

describe("what a spec says of rows", () => {
  const spec = (rest: string): string =>
    "model m { context 8 width 8 layers 1 heads 2 embed token layer { x += mlp(x) } output linear(x) " +
    `${rest} }`;
  it("documents take one token more of bytes", () => {
    const [m] = checkSource(spec("train { rows documents }")).models;
    expect(m).toMatchObject({ sizes: { vocab: 257 }, tokenizer: "bytes", train: { rows: "documents" } });
    expect(checkSource(spec("")).models[0]!.sizes.vocab).toBe(256);
    // such a model is equal to one of an earlier release
    expect(Object.keys(checkSource(spec("train { rows text }")).models[0]!.train)).not.toContain("rows");
    const { diagnostics } = checkSource(spec("vocab 256 tokenizer bytes train { rows documents }"));
    expect(diagnostics.map((d) => [d.code, d.text, d.notes.map((n) => n.text)])).toEqual([
      [
        "E0215",
        "vocab 256 is smaller than the 257 tokens of tokenizer bytes",
        ["the tokenizer is chosen here", "one token more begins and ends the documents"],
      ],
    ]);
  });
  it.each([
    ["rows lines", "E0208"],
    ["rows 5", "E0207"],
    ["rows", "E0109"],
  ])("%s: %s", (said, code) => {
    expect(checkSource(spec(`train { ${said} }`)).diagnostics.map((d) => d.code)).toContain(code);
  });
  it("--set train.rows=documents", () =>
    expect(checkSource(spec(""), { set: { "train.rows": "documents" } }).models[0]).toMatchObject({
      sizes: { vocab: 257 },
      train: { rows: "documents" },
    }));
});

const SPEC = `model words {
  vocab 10   context 8   width 16   layers 1   heads 2
  embed rmsnorm(token + position, weight: false)
  layer { x += attention(rmsnorm(x))  x += mlp(rmsnorm(x)) }
  output linear(x)
  tokenizer characters
  train {
    rows documents  batch 8  context 8  steps 60  lr 2e-2  min_lr 0  schedule linear  warmup 2
    eval_every 0  save_every 0
  }
}
`;
const WORDS = Array.from({ length: 200 }, (_, i) => ["ada", "bea", "carla", "dora"][i % 4]).join("\n");

describe("a run over documents", () => {
  const last = (out: string): Record<string, unknown> =>
    JSON.parse(out.trim().split("\n").at(-1)!) as Record<string, unknown>;
  beforeAll(async () => {
    writeFileSync(at("words.sinter"), SPEC);
    writeFileSync(at("words.txt"), WORDS);
  });

  it("says what it has, counts what it learns from, learns words and where they end", async () => {
    const out = await sinter(
      "train",
      at("words.sinter"),
      "--data",
      at("words.txt"),
      "--out",
      at("words"),
      "--json",
      "--workers",
      "1",
    );
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events[0]).toMatchObject({ kind: "start", documents: 180, heldOutDocuments: 20, cutDocuments: 0 });
    const steps = events.filter((e) => e["kind"] === "step");
    const evals = events.filter((e) => e["kind"] === "eval");
    // the longest word has five letters and its end
    expect(steps.at(-1)!["tokens"]).toBeLessThan(60 * 8 * 6 + 1);
    expect(evals.at(-1)).toMatchObject({
      whole: true,
      tokens: Array.from({ length: 200 }, (_, i) => i)
        .filter((i) => i % 10 === 9)
        .reduce((sum, i) => sum + [4, 4, 6, 5][i % 4]!, 0),
    });
    const made = last(await sinter("sample", at("words"), "--json", "--temp", "0.3"));
    expect(made).toMatchObject({ reason: "end of text", prompt_tokens: 1 });
    expect(WORDS.split("\n")).toContain(made["text"]);
    const more = last(await sinter("sample", at("words"), "-p", "car", "--json", "--temp", "0"));
    // its beginning and three letters
    expect(more).toMatchObject({ text: "la", reason: "end of text", prompt_tokens: 4 });
    expect(JSON.parse(readFileSync(at("words/tokenizer/characters.json"), "utf8"))).toEqual([
      ...charactersOf(WORDS.replaceAll("\n", "")),
      END_OF_TEXT,
    ]);
  });

  it("is evaluated document by document", async () => {
    const all = last(await sinter("eval", at("words"), "--part", "all", "--json"));
    expect(all).toMatchObject({ documents: 200, cut_documents: 0, tokens: 50 * (4 + 4 + 6 + 5) });
    // a letter is a byte here, and so is a line break
    expect(all["bits_per_byte"]).toBeCloseTo((all["loss"] as number) / Math.LN2, 10);
    const short = last(await sinter("eval", at("words"), "--context", "4", "--json"));
    // held out are bea and dora, which does not end within four
    expect(short).toMatchObject({ documents: 20, cut_documents: 10 });
    expect(await sinter("eval", at("words"))).toMatch(
      /\(90 tokens, its held-out part, 20 documents, step 60\)/,
    );
    writeFileSync(at("other.txt"), "dora\nada\n");
    expect(last(await sinter("eval", at("words"), "--data", at("other.txt"), "--json"))).toMatchObject({
      part: "all",
      documents: 2,
      tokens: 9,
    });
    expect(await run("eval", at("words"), "--stride", "2")).toMatchObject({
      code: 2,
      err: expect.stringContaining("--stride means nothing where rows are documents") as unknown,
    });
    writeFileSync(at("nothing.txt"), " \n\n ");
    expect(await run("eval", at("words"), "--data", at("nothing.txt"))).toMatchObject({
      code: 1,
      err: expect.stringContaining("holds no document") as unknown,
    });
  });

  it("goes on to the same bits", async () => {
    await sinter(
      "train",
      at("words.sinter"),
      "--data",
      at("words.txt"),
      "--out",
      at("parts"),
      "--workers",
      "1",
      "--steps",
      "60",
      "--save-every",
      "25",
    );
    for (const step of [60, 50]) rmSync(at(`parts/step-0000${step}.safetensors`));
    await sinter("train", "--resume", "--out", at("parts"), "--workers", "1");
    expect(weightsOf("parts", 60).equals(weightsOf("words", 60))).toBe(true);
  });

  it("says of documents that are cut, and of a vocabulary without room for the end", async () => {
    const cut = await sinter(
      "train",
      at("words.sinter"),
      "--data",
      at("words.txt"),
      "--out",
      at("cut"),
      "--workers",
      "1",
      "--steps",
      "1",
      "--set",
      "train.context=4",
    );
    expect(cut).toMatch(/note: 100 documents are too long for a row of 4, and cut/);
    const { code, err } = await run(
      "train",
      at("words.sinter"),
      "--data",
      at("words.txt"),
      "--out",
      at("small"),
      "--set",
      "vocab=8",
      "--steps",
      "1",
    );
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /8 different characters, and a document's end is a token too; the model's vocabulary is 8[^]*--set vocab=9/,
      ) as unknown,
    });
  });

  it("whose weights another run takes: over a running text, over documents again", async () => {
    await sinter(
      "train",
      "--from",
      at("words"),
      "--data",
      at("words.txt"),
      "--out",
      at("again"),
      "--steps",
      "1",
      "--workers",
      "1",
    );
    expect((await openRun(nodeFiles(), at("again"))).tokenizer).toMatchObject({ size: 9, beginOfText: 8 });
    const { code, err } = await run(
      "train",
      "--from",
      at("words"),
      "--data",
      at("words.txt"),
      "--out",
      at("text"),
      "--steps",
      "1",
      "--set",
      "train.rows=text",
    );
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining('"\\n" (U+000A), which is not in the vocabulary') as unknown,
    }); // its characters include no line break
  });

  it("of bytes, too", async () => {
    writeFileSync(
      at("bytes.sinter"),
      SPEC.replace("vocab 10 ", "").replace("characters", "bytes").replace("model words", "model inbytes"),
    );
    await sinter(
      "train",
      at("bytes.sinter"),
      "--data",
      at("words.txt"),
      "--out",
      at("inbytes"),
      "--workers",
      "1",
    );
    expect((await openRun(nodeFiles(), at("inbytes"))).tokenizer).toMatchObject({
      name: "bytes",
      size: 257,
      beginOfText: 256,
      endOfText: 256,
    });
    expect(last(await sinter("sample", at("inbytes"), "-p", "ca", "--json", "--temp", "0"))).toMatchObject({
      text: "rla",
      reason: "end of text",
    });
    rmSync(at("inbytes/tokenizer/bytes.json"));
    expect((await run("sample", at("inbytes"))).code).not.toBe(0);
  });
});

describe("a run over documents goes out, and comes back", () => {
  const gpt = (name: string, tokenizer: string, vocab: string): string => `model ${name} {
  ${vocab} context 8   width 16   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
  output linear(layernorm(x), tied: true)
  tokenizer ${tokenizer}
  train { rows documents  batch 8  context 8  steps 80  lr 2e-2  eval_every 0  save_every 0 }
}
`;
  const sample = async (name: string): Promise<object> => {
    const { text, reason, prompt_tokens } = JSON.parse(
      await sinter("sample", at(name), "-p", "car", "--json", "--temp", "0"),
    ) as Record<string, unknown>;
    return { text, reason, prompt_tokens };
  };
  it.each([
    ["characters", "vocab 9"],
    ["bytes", ""],
  ])("%s: as GGUF and as Hugging Face's folder it begins and ends as here", async (tokenizer, vocab) => {
    const name = `out-${tokenizer}`;
    writeFileSync(at(`${name}.sinter`), gpt(name, tokenizer, vocab));
    writeFileSync(at("out.txt"), WORDS);
    await sinter("train", at(`${name}.sinter`), "--data", at("out.txt"), "--out", at(name), "--workers", "1");
    const own = await sample(name);
    expect(own).toEqual({ text: "la", reason: "end of text", prompt_tokens: 4 });
    for (const to of ["gguf", "hf"]) {
      await sinter("export", at(name), "--to", to, "-o", at(`${name}.${to}`));
      await sinter("import", at(`${name}.${to}`), "-o", at(`${name}-from-${to}`));
      expect(await sample(`${name}-from-${to}`), to).toEqual(own);
    }
  });
});

/** A vocabulary of special tokens and the bytes. `config` says which of them begin and end texts. */
function writeByteJson(
  dir: string,
  special: readonly string[] = ["<unk>", "<s>", "</s>"],
  config: object = { bos_token: "<s>", eos_token: "</s>", add_bos_token: true },
): void {
  const vocab = Object.fromEntries([...special, ...byteCharacters].map((name, id) => [name, id]));
  const added = special.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const level = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  mkdirSync(dir, { recursive: true });
  writeFileSync(
    join(dir, "tokenizer.json"),
    JSON.stringify({
      version: "1.0",
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: level,
      post_processor: null,
      decoder: level,
      model: { type: "BPE", vocab, merges: [] },
    }),
  );
  writeFileSync(join(dir, "tokenizer_config.json"), JSON.stringify(config));
}

describe("rows of documents with a vocabulary of a file", () => {
  const train = (name: string, special: readonly string[], config: object): ReturnType<typeof run> => {
    writeByteJson(at(name), special, config);
    writeFileSync(
      at(`${name}.sinter`),
      SPEC.replace("vocab 10", `vocab ${256 + special.length}`).replace("characters", "json"),
    );
    writeFileSync(at("lines.txt"), WORDS);
    return run(
      "train",
      at(`${name}.sinter`),
      "--tokenizer",
      at(name),
      "--data",
      at("lines.txt"),
      "--out",
      at(`${name}-run`),
      "--workers",
      "1",
      "--steps",
      "2",
    );
  };
  it("with one token that ends texts: it begins them, too, also those of prompts", async () => {
    expect((await train("ends", [END_OF_TEXT], { eos_token: END_OF_TEXT })).code).toBe(0);
    expect((await openRun(nodeFiles(), at("ends-run"))).tokenizer).toMatchObject({
      beginOfText: 0,
      endOfText: 0,
    });
    expect(JSON.parse(await sinter("sample", at("ends-run"), "-p", "ab", "-n", "1", "--json"))).toMatchObject(
      { prompt_tokens: 3 },
    );
  });
  it("whose end the model has no row for: it begins and ends no text, and rows cannot be documents", () => {
    const [model] = checkSource(SPEC.replace("rows documents ", "")).models;
    const tokenizer = { ...byteTokenizer(), beginOfText: 1, endOfText: 200 };
    expect(tokenizerFor(model!, tokenizer)).toMatchObject({ beginOfText: 1, endOfText: undefined });
    expect(() =>
      tokenizerFor({ ...model!, train: { ...model!.train, rows: "documents" } }, tokenizer),
    ).toThrow(/no token that ends a text/);
  });
  it("without one it is refused before anything is written", async () => {
    expect(await train("endless", ["<s>"], { bos_token: "<s>", add_bos_token: true })).toMatchObject({
      code: 1,
      err: expect.stringContaining("the json tokenizer has no token that ends a text") as unknown,
    });
    expect(existsSync(at("endless-run"))).toBe(false);
  });
});

describe("a run over a running text of documents", () => {
  const TEXT = Array.from({ length: 900 }, (_, i) => ["one.", "two.", "three."][i % 3]).join(
    `\n${END_OF_TEXT}\n`,
  );
  const spec = `model m {
  vocab 259   context 32   width 32   layers 1   heads 2
  embed token
  layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 64) }
  output linear(rmsnorm(x), tied: true)
  tokenizer json
  train { batch 8  context 24  steps 60  lr 2e-2  warmup 5  eval_every 0  save_every 0 }
}
`;
  beforeAll(() => {
    writeByteJson(at("json"));
    writeFileSync(at("m.sinter"), spec);
    writeFileSync(at("m.txt"), TEXT);
  });
  const train = (...args: readonly string[]): Promise<string> => sinter("train", ...args, "--workers", "1");
  const fresh = (out: string, ...args: readonly string[]): Promise<string> =>
    train(at("m.sinter"), "--tokenizer", at("json"), "--data", at("m.txt"), "--out", at(out), ...args);
  const sample = async (name: string, ...args: readonly string[]): Promise<Record<string, unknown>> =>
    JSON.parse(await sinter("sample", at(name), "--json", "--temp", "0", ...args)) as Record<string, unknown>;
  /** Makes the record as it was before it named the rule. */
  const makeOld = (name: string): void => {
    const { textRule } = JSON.parse(readFileSync(at(`${name}/run.json`), "utf8")) as Record<string, unknown>;
    expect(textRule).toBe(2 satisfies TextRule);
    makeOldRecord(at(name), ["textRule"]);
  };

  it("learns to end them", async () => {
    await fresh("new");
    const { logprobs, reason, text } = (await sample("new", "-p", "tw", "--logprobs", "3")) as {
      logprobs: { logprob: number }[];
      reason: string;
      text: string;
    };
    expect({ reason, text }).toEqual({ reason: "end of text", text: "o." });
    expect(logprobs).toHaveLength(2);
    const { tokens } = JSON.parse(await sinter("eval", at("new"), "--part", "all", "--json")) as {
      tokens: number;
    };
    // every document has its begin and its end; the first token is no target
    expect(tokens).toBe(300 * (4 + 4 + 6) + 2 * 900 - 1);
  });

  it("that began under the rule of before keeps it, also when it goes on: to the same bits", async () => {
    await fresh("old", "--steps", "0");
    makeOld("old");
    await train("--resume", "--out", at("old"), "--steps", "60", "--save-every", "25");
    const whole = weightsOf("old", 60);
    expect(whole.equals(weightsOf("new", 60))).toBe(false);
    for (const step of [60, 50]) rmSync(at(`old/step-0000${step}.safetensors`));
    await train("--resume", "--out", at("old"));
    expect(weightsOf("old", 60).equals(whole)).toBe(true);
    const { tokens } = JSON.parse(await sinter("eval", at("old"), "--part", "all", "--json")) as {
      tokens: number;
    };
    expect(tokens).toBe(300 * (4 + 4 + 6) + 900 - 1);
    // ended by the token that begins the next text
    expect(await sample("old", "-p", "tw")).toMatchObject({ text: "o.", reason: "end of text" });
  });

  it("a rule that nobody knows is not guessed at", async () => {
    const path = at("new/run.json");
    writeFileSync(
      path,
      JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as object), textRule: 3 }),
    );
    expect(await run("eval", at("new"))).toMatchObject({
      code: 3,
      err: expect.stringMatching(/textRule is 3, not 1 or 2/) as unknown,
    });
  });
});

const names = shared("corpora/names.txt");
it.skipIf(!names.there)(`specs/names.sinter learns names that end ${names.why}`, async () => {
  await sinter(
    "train",
    "specs/names.sinter",
    "--data",
    names.path,
    "--out",
    at("names"),
    "--workers",
    "1",
    "--steps",
    "400",
    "--set",
    "train.eval_every=0",
  );
  const { loss, documents } = JSON.parse(await sinter("eval", at("names"), "--json")) as {
    loss: number;
    documents: number;
  };
  expect(documents).toBe(3203);
  expect(loss).toBeLessThan(2.35); // chance is ln 27 = 3.30; letters by their frequency give 2.82
  const made = [];
  for (let seed = 0; seed < 20; seed++)
    made.push(
      JSON.parse(await sinter("sample", at("names"), "--json", "--seed", `${seed}`)) as {
        text: string;
        reason: string;
      },
    );
  expect(made.filter((m) => m.reason === "end of text").length).toBeGreaterThanOrEqual(18);
  const lengths = made.map((m) => m.text.length);
  expect(lengths.reduce((a, b) => a + b) / 20).toBeGreaterThan(4);
  expect(lengths.reduce((a, b) => a + b) / 20).toBeLessThan(9);
});
