/**
 * Published tokenizers, and texts with their ids, in ../shared/data. Tests that need them are skipped where
 * they are absent.
 */
import { existsSync, readFileSync } from "node:fs";
import { gpt2Tokenizer } from "../../runtime/tokenizers/published/gpt2.ts";
import { llama2cFile } from "../../runtime/tokenizers/published/llama2c-file.ts";
import { llama3Tokenizer } from "../../runtime/tokenizers/published/llama3.ts";
import { sentencePieceFile } from "../../runtime/tokenizers/published/sentencepiece-file.ts";
import { inShared } from "./paths.ts";

export const withData = existsSync(inShared("data"));
export const data = (path: string): Uint8Array => new Uint8Array(readFileSync(inShared(`data/${path}`)));
export const dataText = (path: string): string => new TextDecoder().decode(data(path));
export const dataPath = (path: string): string => inShared(`data/${path}`);

const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
};

export const published = {
  gpt2: once(() => gpt2Tokenizer(data("tokenizers/gpt2/encoder.json"), data("tokenizers/gpt2/vocab.bpe"))),
  llama3: once(() => llama3Tokenizer(data("tokenizers/llama3/tokenizer.model"))),
  llama2: once(() => sentencePieceFile(data("tokenizers/llama2/tokenizer.model"), "llama2")),
  llama2c: once(() => llama2cFile(data("tokenizers/llama2/tokenizer.bin"), "llama2")),
  tok512: once(() => llama2cFile(data("checkpoints/stories260K/tok512.bin"), "sentencepiece")),
};

/** llama.cpp's encode cases: text and ids. */
export function vectors(
  model: "gpt-2" | "llama-bpe" | "llama-spm",
): readonly { readonly text: string; readonly ids: readonly number[] }[] {
  const file = `vectors/llama.cpp/ggml-vocab-${model}.gguf`;
  const texts = dataText(`${file}.inp`).split("\n__ggml_vocab_test__\n");
  const lines = dataText(`${file}.out`).split("\n");
  return texts.map((text, i) => ({
    text,
    ids: lines[i]!.trim()
      .split(" ")
      .filter((id) => id !== "")
      .map(Number),
  }));
}

/** The CPU time of this thread: other programs do not count. */
export const cpuMs = (): number => process.threadCpuUsage().user / 1000;
