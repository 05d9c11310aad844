/**
 * Llama 3's tokenizer in a GGUF file: with it, llama.cpp gives the published ids and knows the special tokens
 * and the chat format, and Sinter reads back a tokenizer that does the same. The file's model has a width of
 * 32, and rope's scaling by 32.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import { ropeFactors } from "../../../runtime/formats/gguf/gguf-rope.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { openRun } from "../../../runtime/store/run-folder.ts";
import { builtInChat, chatFormats } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { chatFormatOf } from "../../../runtime/node/chat-template.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { dataPath, dataText, published, vectors, withData } from "../../support/tokenizer-data.ts";
import { llama3Rope, llamaLayer } from "../../support/small-models.ts";
import { sinter, trainSmall } from "../../support/command-line.ts";
import {
  askLlamaCpp,
  llamaCppGreedy,
  llamaCppHere,
  withoutLlamaCpp,
} from "../../../app/studies/ask-llama-cpp.ts";
import { greedyOf, logitsOf, parametersOf } from "./models.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-llama3-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const files = nodeFiles();

const spec = `model small-llama3.2 {
  vocab 128256  context 64  width 32  layers 1  heads 2  kv_heads 1
  embed token
  ${llamaLayer(llama3Rope(32), 64)}
  output linear(rmsnorm(x), tied: true)
  tokenizer llama3
  train { batch 1  context 16  steps 2  lr 1e-2  warmup 0 }
}`;

interface Case {
  readonly op: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly role: string;
  readonly content: string;
  readonly messages: readonly (readonly [string, string])[];
}

describe.skipIf(!withData)("Llama 3's tokenizer as GGUF (needs ../shared/data)", () => {
  const gguf = at("llama3.gguf");
  const texts = withData ? vectors("llama-bpe") : [];
  let back: Tokenizer;
  beforeAll(async () => {
    writeFileSync(at("spec.sinter"), spec);
    writeFileSync(at("text.txt"), dataText("corpora/tinystories.txt").slice(0, 4000));
    const data = ["--data", at("text.txt"), "--tokenizer", dataPath("tokenizers/llama3")];
    await trainSmall(at("spec.sinter"), at("run"), ...data);
    await sinter("export", at("run"), "--to", "gguf", "-o", gguf);
    await sinter("import", gguf, "-o", at("back"), "--target", "simd");
    back = (await openRun(files, at("back"))).tokenizer;
  });

  it("has merges for all ranks, the special tokens' roles, the chat format and rope's factors", async () => {
    const file = await openGguf(files, gguf);
    const value = (key: string): unknown => file.metadata.get(`tokenizer.${key}`);
    // as many as in the published tokenizer.json
    expect(value("ggml.merges")).toEqual({ type: "string", count: 280_147 });
    expect(
      ["model", "pre", "bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id", "add_bos_token"].map(
        (key) => value(`ggml.${key}`),
      ),
    ).toEqual(["gpt2", "llama-bpe", 128000, 128001, 128009, 128008, true]);
    expect(value("chat_template")).toBe(chatFormats.llama3.template);
    const factors = await file.tensors.get("rope_freqs.weight")!.floats(0, 8);
    expect(factors).toEqual(ropeFactors(500000, 16, { factor: 32, low: 1, high: 4, original: 8192 }));
    expect([factors[0], factors[7]]).toEqual([1, 32]);
    await file.close();
  });

  it.skipIf(!llamaCppHere)(
    `llama.cpp: its own 46 cases, whole texts, Meta's encodings ${withoutLlamaCpp}`,
    async () => {
      const llama3 = published.llama3();
      const corpora = ["tinystories", "wikitext-2-valid", "dutch-novel"].map((name) =>
        dataText(`corpora/${name}.txt`).slice(0, 50_000),
      );
      const { cases } = JSON.parse(dataText("vectors/llama3-official-vectors.json")) as {
        cases: readonly Case[];
      };
      const chat = builtInChat(llama3, "llama3");
      const name = (id: number): string => [...llama3.special].find(([, other]) => other === id)?.[0] ?? "";
      const written = (ids: readonly number[]): string =>
        ids.map((id) => name(id) || new TextDecoder().decode(llama3.bytes(id))).join("");
      const special = cases.filter(({ op }) => op !== "decode");
      const [plain, marked] = askLlamaCpp<{ ids: number[][] }>(
        gguf,
        [
          { do: "tokenize", texts: [...texts.map(({ text }) => text), ...corpora] },
          { do: "tokenize", special: true, texts: special.map(({ ids }) => written(ids)) },
        ],
        { vocabOnly: true },
      );
      expect(texts.length).toBeGreaterThanOrEqual(46);
      texts.forEach(({ text, ids }, i) => expect(plain!.ids[i], JSON.stringify(text)).toEqual(ids));
      corpora.forEach((text, i) =>
        expect(plain!.ids[texts.length + i]!.join() === llama3.encode(text).join(), `corpus ${i}`).toBe(true),
      );
      special.forEach(({ op, ids }, i) => expect(marked!.ids[i], op).toEqual(ids));
      const dialog = cases.find(({ op }) => op === "encode_dialog_prompt")!;
      expect(
        await chat.encode(
          dialog.messages.map(([role, content]) => ({ role, content })),
          true,
        ),
      ).toEqual(dialog.ids);
    },
  );

  it("comes back: the same ids, special tokens, chat format", async () => {
    const llama3 = published.llama3();
    for (const { text, ids } of texts) expect(back.encode(text), JSON.stringify(text)).toEqual(ids);
    const story = dataText("corpora/tinystories.txt").slice(0, 100_000);
    expect(back.encode(story).join() === llama3.encode(story).join()).toBe(true);
    expect([back.beginOfText, back.endOfText, [...back.stops].toSorted(), back.special]).toEqual([
      128000,
      128001,
      [128001, 128008, 128009],
      llama3.special,
    ]);
    const messages = [{ role: "user", content: "Hello <|eot_id|>" }];
    const chat = chatFormatOf(back)!;
    expect(await chat.encode(messages, true)).toEqual(
      await builtInChat(llama3, "llama3").encode(messages, true),
    );
    chat.close();
  });

  it("the model comes back with its scaling and its numbers", async () => {
    const was = await parametersOf(at("run"));
    const is = await parametersOf(at("back"));
    for (const [key, values] of was) expect(is.get(key), key).toEqual(values);
    expect((await openRun(files, at("back"))).bundle.manifest.model.layer[0]).toEqual(
      (await openRun(files, at("run"))).bundle.manifest.model.layer[0],
    );
    const ids = published.llama3().encode("Once upon a time there was a llama who could read");
    expect(await logitsOf(at("back"), ids)).toEqual(await logitsOf(at("run"), ids));
  });

  it.skipIf(!llamaCppHere)(`llama.cpp runs it with the same greedy tokens ${withoutLlamaCpp}`, async () => {
    const ids = [128000, ...published.llama3().encode("Once upon a time there was a llama who could read")];
    expect(llamaCppGreedy(gguf, ids, 16, at("logits")).ids).toEqual(await greedyOf(at("run"), ids, 16));
  });
});
