/**
 * The files beside a published model, through the command line: they count, they go out again, and a flaw in
 * one costs the model nothing.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import { list, text, u32 } from "../../../runtime/formats/gguf/gguf-write.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { chatFormatOf } from "../../../runtime/node/chat-template.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { openRun } from "../../../runtime/store/run-folder.ts";
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import { decode } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { run, sinter } from "../../support/command-line.ts";
import {
  byteId,
  byteTokenizerJson,
  byteTokenizerPairs,
  writeFolder,
  writeGguf,
} from "../../support/counting-model.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-beside-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const files = nodeFiles();
const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;

interface Sampled {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly reason: string;
}
const sample = async (folder: string, prompt: string, ...more: readonly string[]): Promise<Sampled> =>
  JSON.parse(
    await sinter("sample", folder, "-p", prompt, "--temp", "0", "--json", "-n", "12", ...more),
  ) as Sampled;
interface Imported {
  readonly tokenizer: string;
  readonly notes: readonly string[];
}
const imported = async (source: string, into: string, ...more: readonly string[]): Promise<Imported> =>
  JSON.parse(await sinter("import", source, "-o", into, "--target", "simd", "--json", ...more)) as Imported;

const up = (vocab: number) => ({ vocab, next: (t: number): number => (t + 1) % vocab });
const TEMPLATE =
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt " +
  "%}<|assistant|>{% endif %}";
const ADDED = ["<|user|>", "<|assistant|>", "<|end_of_answer|>"].map((content, i) => ({
  id: 259 + i,
  content,
}));
const [USER, ASSISTANT, END] = [259, 260, 261];
const CONFIG = {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: "<s>",
  eos_token: "</s>",
  clean_up_tokenization_spaces: true,
  model_max_length: 64,
};
const GENERATION = {
  bos_token_id: 1,
  eos_token_id: [2, END],
  do_sample: true,
  temperature: 0.6,
  top_p: 0.9,
  transformers_version: "4.57.0",
};
/** A model that says O, K and <|end_of_answer|> after <|assistant|>. */
const answering = {
  vocab: 262,
  next: (t: number): number =>
    t === ASSISTANT ? byteId("O") : t === byteId("O") ? byteId("K") : t === byteId("K") ? END : (t + 1) % 262,
};
const BESIDE = {
  "tokenizer.json": byteTokenizerJson(ADDED),
  "tokenizer_config.json": CONFIG,
  "generation_config.json": GENERATION,
  "special_tokens_map.json": { eos_token: "</s>" },
  "added_tokens.json": Object.fromEntries(ADDED.map(({ content, id }) => [content, id])),
  "chat_template.jinja": TEMPLATE,
  "additional_chat_templates/tool_use.jinja": "{{ tools }}",
};

describe("there and back", () => {
  const source = at("hf");
  const folder = at("run");

  it("a folder with everything beside it is imported, and heeds it", async () => {
    writeFolder(source, answering, BESIDE);
    const { notes, tokenizer } = await imported(source, folder);
    expect([tokenizer, notes]).toEqual([
      "json",
      [
        'of its chat templates the one called "default" is used, not "tool_use"',
        "samples as generation_config.json says: temperature 0.6, top_k 50, top_p 0.9, min_p 0, " +
          "repeat_penalty 1",
      ],
    ]);
    expect(readFileSync(join(folder, "spec.sinter"), "utf8")).toMatch(
      /sample \{\s+temperature 0\.6\s+top_k 50\s+top_p 0\.9\s+min_p 0\s+repeat_penalty 1\s+\}/,
    );
    for (const [name, value] of Object.entries(BESIDE))
      expect(readFileSync(join(folder, "tokenizer", name), "utf8"), name).toBe(
        typeof value === "string" ? value : JSON.stringify(value),
      );
    const opened = await openRun(files, folder);
    const chat = chatFormatOf(opened.tokenizer)!;
    expect(await chat.encode([{ role: "user", content: "hi" }], true)).toEqual([
      USER,
      byteId("h"),
      byteId("i"),
      ASSISTANT,
    ]);
    chat.close();
    expect(await sample(folder, "O")).toMatchObject({
      text: "K",
      reason: "end of text",
      tokens: [byteId("K")],
    });
    expect((await sample(folder, "I'", "-n", "3")).text).toBe("()*");
  });

  it("as a Hugging Face folder: the same files, and every end token in both configurations", async () => {
    await sinter("export", folder, "--to", "hf", "-o", at("out"));
    for (const name of Object.keys(BESIDE))
      expect(readFileSync(join(at("out"), name), "utf8"), name).toBe(
        readFileSync(join(source, name), "utf8"),
      );
    expect([
      json(at("out/config.json"))["eos_token_id"],
      json(at("out/generation_config.json"))["eos_token_id"],
    ]).toEqual([
      [2, END],
      [2, END],
    ]);
    await imported(at("out"), at("again"));
    expect([...(await openRun(files, at("again"))).tokenizer.files]).toEqual([
      ...(await openRun(files, folder)).tokenizer.files,
    ]);
  });

  it("as GGUF: eos, eot, kinds and templates; and back into a folder", async () => {
    await sinter("export", folder, "--to", "gguf", "-o", at("out.gguf"));
    const file = await openGguf(files, at("out.gguf"));
    const get = (key: string): unknown => file.metadata.get(`tokenizer.${key}`);
    expect([
      get("ggml.eos_token_id"),
      get("ggml.eot_token_id"),
      get("ggml.add_bos_token"),
      get("ggml.pre"),
    ]).toEqual([2, END, false, "gpt-2"]);
    expect([get("chat_template"), get("chat_template.tool_use"), get("chat_templates")]).toEqual([
      TEMPLATE,
      "{{ tools }}",
      ["tool_use"],
    ]);
    expect((await file.array("tokenizer.ggml.token_type"))!.slice(-4)).toEqual([1, 3, 3, 3]);
    await file.close();
    await imported(at("out.gguf"), at("from-gguf"));
    const was = (await openRun(files, folder)).tokenizer;
    const is = (await openRun(files, at("from-gguf"))).tokenizer;
    expect([is.endOfText, [...is.stops].sort(), [...is.special], templateOf(is.files)?.template]).toEqual([
      was.endOfText,
      [...was.stops].sort(),
      [...was.special],
      TEMPLATE,
    ]);
    expect(is.encode("a<|user|>é", { special: true })).toEqual(was.encode("a<|user|>é", { special: true }));
    expect((await sample(at("from-gguf"), "O")).text).toBe("K");
    await sinter("export", at("from-gguf"), "--to", "hf", "-o", at("gguf-hf"));
    expect([
      json(at("gguf-hf/config.json"))["eos_token_id"],
      json(at("gguf-hf/tokenizer_config.json"))["chat_template"],
    ]).toEqual([[2, END], TEMPLATE]);
    expect(readFileSync(at("gguf-hf/additional_chat_templates/tool_use.jinja"), "utf8")).toBe("{{ tools }}");
  });

  it("a run that begins from an imported one carries it on", async () => {
    const spec = readFileSync(join(folder, "spec.sinter"), "utf8");
    const data = at("data.txt");
    writeFileSync(data, "the end of an answer. ".repeat(40));
    writeFileSync(
      at("more.sinter"),
      spec.replace("expect parameters", "train { batch 2  context 16  steps 1 }\n  expect parameters"),
    );
    await sinter(
      "train",
      at("more.sinter"),
      "--from",
      folder,
      "--data",
      data,
      "--out",
      at("trained"),
      "--workers",
      "1",
      "--target",
      "simd",
    );
    for (const name of Object.keys(BESIDE))
      expect(readFileSync(at(`trained/tokenizer/${name}`), "utf8"), name).toBe(
        readFileSync(join(source, name), "utf8"),
      );
    expect([...(await openRun(files, at("trained"))).tokenizer.stops].sort()).toEqual([2, END]);
    expect(
      await run("train", "--resume", "--out", at("trained"), "--steps", "2", "--workers", "1"),
    ).toMatchObject({ code: expect.any(Number) as number });
  });
});

describe("end tokens of config.json alone", () => {
  it("end a text, and stand in both files that go out", async () => {
    const source = writeFolder(at("ends"), up(262), {
      "tokenizer.json": byteTokenizerJson(ADDED),
      "tokenizer_config.json": { eos_token: "</s>" },
    });
    const config = json(join(source, "config.json"));
    writeFileSync(join(source, "config.json"), JSON.stringify({ ...config, eos_token_id: [2, byteId("d")] }));
    await imported(source, at("ends-run"));
    expect(await sample(at("ends-run"), "a")).toMatchObject({ text: "bc", reason: "end of text" });
    await sinter("export", at("ends-run"), "--to", "hf", "-o", at("ends-out"));
    for (const name of ["config.json", "generation_config.json"])
      expect(json(at(`ends-out/${name}`))["eos_token_id"]).toEqual([2, byteId("d")]);
  });

  it("more than GGUF has places for are said", async () => {
    const more = { ...GENERATION, eos_token_id: [2, 3, 4, 5, 6] };
    await imported(
      writeFolder(at("many"), up(262), {
        "tokenizer.json": byteTokenizerJson(ADDED),
        "generation_config.json": more,
      }),
      at("many-run"),
    );
    const { out } = await run("export", at("many-run"), "--to", "gguf", "-o", at("many.gguf"));
    expect(out).toContain("note: a GGUF file has no place for more tokens that end a text: 5, 6");
  });
});

describe("a flaw beside good weights", () => {
  const other = { "tokenizer.json": byteTokenizerJson(), "tokenizer_config.json": CONFIG };
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>, string, RegExp])[] = [
    [
      "tokenizer.json cut off",
      { ...other, "tokenizer.json": JSON.stringify(byteTokenizerJson()).slice(0, 900) },
      "ids",
      /^no tokenizer: .*tokenizer\.json is no JSON: .*; texts are ids for now \(--tokenizer PATH names one\)$/,
    ],
    [
      "tokenizer.json of nothing",
      { ...other, "tokenizer.json": "" },
      "ids",
      /^no tokenizer: .*tokenizer\.json is no JSON/,
    ],
    [
      "tokenizer.json of another kind of file",
      { ...other, "tokenizer.json": "[1, 2]" },
      "ids",
      /^no tokenizer: .*tokenizer\.json/,
    ],
    [
      "tokenizer.json with two names of one id",
      { ...other, "tokenizer.json": byteTokenizerJson([{ id: 5, content: "<x>" }]) },
      "ids",
      /^no tokenizer: .*tokenizer\.json.* id 5/,
    ],
    [
      "tokenizer_config.json cut off",
      { ...other, "tokenizer_config.json": '{ "bos' },
      "json",
      /tokenizer_config\.json is no JSON: .*left out .*--tokenizer PATH/,
    ],
    [
      "tokenizer_config.json that asks for what is not done",
      { ...other, "tokenizer_config.json": { split_special_tokens: true } },
      "ids",
      /^no tokenizer: .*split_special_tokens is true: special tokens are cut up/,
    ],
    [
      "generation_config.json cut off",
      { ...other, "generation_config.json": "{" },
      "json",
      /generation_config\.json is no JSON: .*--stop TEXT/,
    ],
    [
      "chat_template.jinja of bytes",
      { ...other, "chat_template.jinja": Uint8Array.of(255, 254) },
      "json",
      /chat_template\.jinja is not UTF-8 text: left out \(sinter chat --chat-format NAME/,
    ],
    [
      "chat_template.jinja that does not end",
      { ...other, "chat_template.jinja": "{% for m in messages %}{{ m.content }" },
      "json",
      /^chat_template\.jinja: chat template: .*: kept, and of no use \(sinter chat --chat-format NAME/,
    ],
    [
      "a tokenizer of another model",
      {
        ...other,
        "tokenizer.json": {
          ...byteTokenizerJson(),
          model: {
            type: "BPE",
            vocab: Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`t${i}`, i])),
            merges: [],
          },
          added_tokens: [],
        },
      },
      "ids",
      /^no tokenizer: the one in .* has 400 tokens, the model 262/,
    ],
    [
      "vocab.json of a class that reads it otherwise",
      {
        "vocab.json": { a: 0 },
        "merges.txt": "",
        "tokenizer_config.json": { tokenizer_class: "Qwen2Tokenizer" },
      },
      "ids",
      /^no tokenizer: .*vocab\.json belongs to a Qwen2Tokenizer/,
    ],
  ];

  it.each(cases)("%s", async (name, contents, tokenizer, line) => {
    const source = writeFolder(at(name.replaceAll(" ", "-")), up(262), contents);
    const into = `${source}-run`;
    const found = await imported(source, into);
    expect(found.tokenizer).toBe(tokenizer);
    expect(found.notes).toEqual([expect.stringMatching(line)]);
    expect(found.notes[0]).not.toContain("\n");
    const said = await sample(into, tokenizer === "ids" ? "100 101" : "ab", "-n", "3");
    expect(said.tokens).toEqual(tokenizer === "ids" ? [102, 103, 104] : ["c", "d", "e"].map(byteId));
    const named = await run(
      "import",
      source,
      "-o",
      `${into}2`,
      "--tokenizer",
      join(source, Object.keys(contents)[0]!),
    ); // a file that was named must have no flaw
    if (!line.source.includes("kept"))
      expect([named.code === 1 || named.code === 3, existsSync(`${into}2`)]).toEqual([true, false]);
  });

  it(
    "another tokenizer's file beside a broken one is read, and said; a vocabulary smaller than GPT-2's " +
      "becomes a tokenizer.json",
    async () => {
      const source = writeFolder(at("two"), up(262), {
        "tokenizer.json": "{",
        "encoder.json": Object.fromEntries(
          Object.entries((byteTokenizerJson().model as { vocab: Record<string, number> }).vocab),
        ),
        "vocab.bpe": "#version: 0.2\n",
      });
      const { tokenizer, notes } = await imported(source, at("two-run"));
      expect([tokenizer, notes]).toEqual([
        "json",
        [
          expect.stringMatching(
            /tokenizer\.json is no JSON: .*: encoder\.json is read in its place \(--tokenizer PATH names another\)/,
          ),
        ],
      ]);
      expect((await sample(at("two-run"), "ab", "-n", "2")).text).toBe("cd");
    },
  );

  it("in GGUF metadata", async () => {
    const made = async (
      name: string,
      ...pairs: Parameters<typeof writeGguf>[2][number][]
    ): Promise<Imported> => imported(writeGguf(at(`${name}.gguf`), up(262), pairs), at(`${name}-run`));
    const [kind, pre, tokens, kinds, merges] = byteTokenizerPairs(ADDED) as [
      never,
      never,
      never,
      never,
      never,
    ];
    expect(await made("no-merges", kind, pre, tokens, kinds)).toMatchObject({
      tokenizer: "ids",
      notes: [expect.stringMatching(/^no tokenizer: .*tokenizer\.ggml\.merges is no list of texts/)],
    });
    expect(
      await made("unknown-pre", kind, text("tokenizer.ggml.pre", "deepseek-llm"), tokens, kinds, merges),
    ).toMatchObject({
      tokenizer: "ids",
      notes: [expect.stringContaining('its pre-tokenizer, "deepseek-llm", is not read here')],
    });
    expect(
      await made("short-kinds", kind, pre, tokens, list("tokenizer.ggml.token_type", "i32", [1]), merges),
    ).toMatchObject({
      tokenizer: "ids",
      notes: [expect.stringContaining("token_type is no list of 262 numbers")],
    });
    expect(
      await made("template-of-numbers", kind, pre, tokens, kinds, merges, u32("tokenizer.chat_template", 5)),
    ).toMatchObject({
      tokenizer: "json",
      notes: [
        expect.stringContaining(
          "tokenizer.chat_template is no text: left out (sinter chat --chat-format NAME",
        ),
      ],
    });
    expect((await sample(at("no-merges-run"), "100")).tokens.slice(0, 2)).toEqual([101, 102]);
  });

  it("sinter tokenizer says what is wrong, and not what there is besides", async () => {
    const source = writeFolder(at("said"), up(262), {
      ...BESIDE,
      "generation_config.json": "{",
      "tokenizer_config.json": { ...CONFIG, new_key: 1 },
    });
    const { out, err } = await run("tokenizer", "encode", "-t", source, "ab");
    expect([out, err]).toEqual([
      `${byteId("a")} ${byteId("b")}\n`,
      expect.stringMatching(/^note: .*generation_config\.json is no JSON: .*\n$/),
    ]);
  });

  it("generation_config.json counts for ids, too", async () => {
    const source = writeFolder(at("ids"), up(262), { "generation_config.json": { eos_token_id: [7, 12] } });
    await imported(source, at("ids-run"));
    expect(await sample(at("ids-run"), "9")).toMatchObject({ tokens: [10, 11], reason: "end of text" });
  });
});

describe("a token that the model has no row for", () => {
  it(
    "is named, never drawn and never fed; the tokenizer goes out as it came, and into GGUF " + "without it",
    async () => {
      const source = writeFolder(at("pad"), up(259), {
        "tokenizer.json": byteTokenizerJson([{ id: 259, content: "<pad>" }]),
        "chat_template.jinja": "{{ messages[0].content }}<pad>",
      });
      const { tokenizer, notes } = await imported(source, at("pad-run"));
      expect([tokenizer, notes]).toEqual([
        "json",
        [
          'the model has no rows for 1 token of its tokenizer, "<pad>" (259): it is never drawn, and can ' +
            "not be fed",
        ],
      ]);
      expect((await sample(at("pad-run"), "abc", "-n", "4")).text).toBe("defg");
      const { tokenizer: opened } = await openRun(files, at("pad-run"));
      await expect(
        chatFormatOf(opened)!.encode([{ role: "user", content: "x" }], true),
      ).rejects.toMatchObject({
        kind: "input",
        message: expect.stringContaining(
          'the text has "<pad>", token 259, and the model has rows for tokens 0 … 258',
        ) as string,
      });
      const { out } = await run("export", at("pad-run"), "--to", "gguf", "-o", at("pad.gguf"));
      expect(out).toContain("note: tokens of the tokenizer that the model has no rows for are left out: 1");
      await imported(at("pad.gguf"), at("pad-back"));
      expect((await openRun(files, at("pad-back"))).tokenizer.size).toBe(259);
    },
  );
});

describe("sampling as published", () => {
  const made = async (name: string, generation: object): Promise<readonly string[]> =>
    (
      await imported(
        writeFolder(at(name), up(262), {
          "generation_config.json": generation,
          "tokenizer.json": byteTokenizerJson(),
        }),
        at(`${name}-run`),
      )
    ).notes;
  const section = (name: string): string | undefined =>
    /sample \{([^}]*)\}/
      .exec(readFileSync(at(`${name}-run/spec.sinter`), "utf8"))?.[1]
      ?.trim()
      .replace(/\s+/g, " ");

  it(
    "what is given counts; do_sample says what is meant by the rest; what can not be done is " + "named",
    async () => {
      expect([await made("given", { temperature: 0.5, repetition_penalty: 1.1 }), section("given")]).toEqual([
        ["samples as generation_config.json says: temperature 0.5, repeat_penalty 1.1"],
        "temperature 0.5 repeat_penalty 1.1",
      ]);
      expect([await made("greedy", { do_sample: false, temperature: 0.5 }), section("greedy")]).toEqual([
        ["generation_config.json says do_sample false: temperature 0 is the spec's"],
        "temperature 0",
      ]);
      expect([await made("nothing", { eos_token_id: 2, max_new_tokens: 20 }), section("nothing")]).toEqual([
        [],
        undefined,
      ]);
      const [beams, odd] = await made("beams", {
        num_beams: 4,
        temperature: 1e9,
        top_k: 0.5,
        suppress_tokens: [],
      });
      expect(beams).toBe(
        "generation_config.json: num_beams is 4: search in beams, which is not done here. Sinter draws a " +
          "token at a time, by temperature, top_k, top_p, min_p and repeat_penalty.",
      );
      expect([odd, section("beams")]).toEqual([
        "generation_config.json: temperature is 1000000000, not from 0 to 100: left out (--help of sinter " +
          "sample has the settings)",
        undefined,
      ]);
    },
  );
});

describe("a tokenizer.json that only the library's package reads", () => {
  it("is imported as sinter tokenizer reads it", async () => {
    const own = {
      ...byteTokenizerJson(),
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: "(?:x|y)+?z" }, behavior: "Isolated", invert: false },
          { type: "ByteLevel", add_prefix_space: false, use_regex: false },
        ],
      },
    };
    const source = writeFolder(at("package"), up(262), { "tokenizer.json": own });
    expect((await imported(source, at("package-run"))).tokenizer).toBe("json");
    const opened = await openRun(files, at("package-run"), otherJson);
    expect(decode(opened.tokenizer, opened.tokenizer.encode("axyz"))).toBe("axyz");
    expect((await sample(at("package-run"), "abc", "-n", "2")).text).toBe("de");
  });
});
