/** Tokenizers from their files: which files each kind has, and which kind a file is. */
import type { TokenizerName } from "../../compiler/2-check/model.ts";
import { SinterError } from "../errors.ts";
import type { Files } from "../files.ts";
import { BYTES_FILE, byteTokenizer, parseBytes } from "./bytes.ts";
import { CHARACTERS_FILE, characterTokenizer, parseCharacters } from "./characters.ts";
import { GPT2_FILES, gpt2Tokenizer } from "./gpt2.ts";
import { IDS_FILE, parseIds } from "./ids.ts";
import { LLAMA2C_FILE, llama2cFile } from "./llama2c-file.ts";
import { LLAMA3_FILE, llama3Tokenizer } from "./llama3.ts";
import { SENTENCEPIECE_FILE, sentencePieceFile } from "./sentencepiece-file.ts";
import { MAX_TABLE_BYTES } from "./tiktoken.ts";
import { CONFIG_FILE, JSON_FILE, MAX_JSON_BYTES, readTokenizerJson, unsupportedJson, type JsonFiles } from "./tokenizer-json.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Reads the tokenizer.json files that are not read here; Node has one (runtime/node/tokenizer-json.ts). */
export type OtherJson = (files: JsonFiles, unsupported: string) => Tokenizer | Promise<Tokenizer>;

interface FileSet {
  readonly needs: readonly string[];
  /** Longer files are not read into memory. */
  readonly mostBytes: number;
  /** Read and kept where it is there: it may hold a chat template. */
  readonly also?: string;
  /** `path`: of the first file. */
  read(contents: readonly Uint8Array[], path: string, name: TokenizerName, other: OtherJson | undefined): Tokenizer | Promise<Tokenizer>;
}

const gpt2Files: FileSet = { needs: GPT2_FILES, mostBytes: MAX_TABLE_BYTES, read: ([encoder, merges]) => gpt2Tokenizer(encoder!, merges!) };
const sentencePiece: FileSet = { needs: [SENTENCEPIECE_FILE], also: CONFIG_FILE, mostBytes: MAX_TABLE_BYTES, read: ([model], path, name) => sentencePieceFile(model!, name, path) };
const llama2c: FileSet = { needs: [LLAMA2C_FILE], also: CONFIG_FILE, mostBytes: MAX_TABLE_BYTES, read: ([table], path, name) => llama2cFile(table!, name, path) };
const llama3: FileSet = { needs: [LLAMA3_FILE], mostBytes: MAX_TABLE_BYTES, read: ([ranks], path) => llama3Tokenizer(ranks!, path) };
const characters: FileSet = { needs: [CHARACTERS_FILE], mostBytes: MAX_TABLE_BYTES, read: ([json], path) => characterTokenizer(parseCharacters(new TextDecoder().decode(json), path)) };
const ids: FileSet = { needs: [IDS_FILE], mostBytes: MAX_TABLE_BYTES, read: ([size], path) => parseIds(size!, path) };
const json: FileSet = {
  needs: [JSON_FILE], mostBytes: MAX_JSON_BYTES, also: CONFIG_FILE,
  read([bytes, config], from, _name, other) {
    const reading = readTokenizerJson({ json: bytes!, config, from });
    if ("tokenizer" in reading) return reading.tokenizer;
    if (!other) throw unsupportedJson(from, reading.unsupported);
    return other({ json: bytes!, config, from }, reading.unsupported);
  },
};

const bytes: FileSet = {
  needs: [BYTES_FILE], mostBytes: MAX_TABLE_BYTES,
  read: ([end], path) => parseBytes(new TextDecoder().decode(end), path),
};

/** THE table of tokenizers' files. Of several sets the first that is there is read. */
export const tokenizerFiles: Readonly<Record<TokenizerName, readonly FileSet[]>> = {
  bytes: [bytes], characters: [characters], gpt2: [gpt2Files], llama2: [sentencePiece, llama2c], llama3: [llama3], sentencepiece: [sentencePiece, llama2c], json: [json], ids: [ids],
};

/** "encoder.json and vocab.bpe, or …" */
export const filesNeeded = (name: TokenizerName): string => tokenizerFiles[name].map(({ needs }) => needs.join(" and ")).join(", or ");

async function readSet(files: Files, set: FileSet, paths: readonly string[], name: TokenizerName, other: OtherJson | undefined): Promise<Tokenizer> {
  const contents: Uint8Array[] = [];
  for (const path of paths) contents.push(await readBounded(files, path, set.mostBytes));
  const tokenizer = await set.read(contents, paths[0]!, name, other), also = contents[set.needs.length];
  return also === undefined ? tokenizer : { ...tokenizer, files: new Map([...tokenizer.files, [set.also!, also]]) };
}

async function readBounded(files: Files, path: string, most: number): Promise<Uint8Array> {
  const file = await files.open(path);
  try {
    if (file.bytes > most)
      throw new SinterError("corrupt",
        `${path} has ${file.bytes} bytes; no tokenizer's file of this kind has more than ${most}`);
    return await file.read(0, file.bytes);
  } finally {
    await file.close();
  }
}

/** undefined: `folder` holds none of the sets of files that this tokenizer may have. */
export async function tokenizerIn(files: Files, folder: string, name: TokenizerName, other?: OtherJson): Promise<Tokenizer | undefined> {
  const there = async (file: string): Promise<boolean> => files.exists(`${folder}/${file}`);
  for (const set of tokenizerFiles[name]) {
    if (!(await there(set.needs[0]!))) continue;
    const also = set.also !== undefined && await there(set.also) ? [set.also] : [];
    return readSet(files, set, [...set.needs, ...also].map((file) => `${folder}/${file}`), name, other);
  }
  const isFile = folder.endsWith(`/${BYTES_FILE}`); // its name was given instead of the folder's
  return name === "bytes" && !isFile ? byteTokenizer() : undefined;
}

/** A tokenizer that was published or saved as files in `folder`. Bytes need none. */
export async function readTokenizer(files: Files, folder: string, name: TokenizerName, other?: OtherJson): Promise<Tokenizer> {
  const found = await tokenizerIn(files, folder, name, other);
  if (found) return found;
  throw new SinterError("input",
    `the ${name} tokenizer needs ${filesNeeded(name)}, and there is none in ${folder}`, "Name the folder that holds them: --tokenizer DIR");
}

/** A tokenizer of kind `name` from `path`: a folder with its files, or the file. */
export async function tokenizerAt(files: Files, path: string, name: TokenizerName, other?: OtherJson): Promise<Tokenizer> {
  const found = await tokenizerIn(files, path, name, other);
  if (found) return found;
  const [folder, file] = split(path);
  const sets = tokenizerFiles[name];
  const set = sets.find(({ needs }) => needs.includes(file)) ?? sets.find(({ needs }) => needs.length === 1 && extension(needs[0]!) === extension(file));
  if (!set || !(await files.exists(path)))
    throw new SinterError("input",
      `the ${name} tokenizer needs ${filesNeeded(name)}, and there is none in ${path}`, "Name the folder that holds them, or the file.");
  if (set.needs.length > 1) return readTokenizer(files, folder, name, other);
  const also = set.also !== undefined && set.needs[0] === file && await files.exists(`${folder}/${set.also}`) ? [`${folder}/${set.also}`] : [];
  return readSet(files, set, [path, ...also], name, other);
}

/** A tokenizer of whatever kind from `path`: a file, or a folder that holds its files, itself or in `tokenizer/` (a run). */
export async function openTokenizer(files: Files, path: string, other?: OtherJson): Promise<Tokenizer> {
  for (const folder of [path, `${path}/tokenizer`])
    for (const file of [JSON_FILE, GPT2_FILES[0], SENTENCEPIECE_FILE, LLAMA2C_FILE, CHARACTERS_FILE, IDS_FILE, BYTES_FILE])
      if (await files.exists(`${folder}/${file}`)) return openTokenizer(files, `${folder}/${file}`, other);
  return tokenizerAt(files, path, await kindOf(files, path), other);
}

/** By name, and where several kinds share one, by content. */
async function kindOf(files: Files, path: string): Promise<TokenizerName> {
  const [, file] = split(path);
  if ((GPT2_FILES as readonly string[]).includes(file)) return "gpt2";
  if (file === CHARACTERS_FILE) return "characters";
  if (file === IDS_FILE) return "ids";
  if (file === BYTES_FILE) return "bytes";
  switch (extension(file)) {
    case "json": return "json";
    case "bin": return "sentencepiece";
    case "model": {
      const bytes = await readBounded(files, path, MAX_TABLE_BYTES);
      return /^[A-Za-z0-9+/]+={0,2} \d+\r?\n/.test(new TextDecoder().decode(bytes.subarray(0, 2048))) ? "llama3" : "sentencepiece";
    }
    default:
      if (!(await files.exists(path)))
        throw new SinterError("input", `there is no file or folder ${path}`, "Check the path.");
      throw new SinterError("input", `${path} is no file of a tokenizer`,
        `Known are ${[...new Set(Object.values(tokenizerFiles).flatMap((sets) => sets.flatMap(({ needs }) => needs)))].join(", ")}.`);
  }
}

function split(path: string): readonly [folder: string, file: string] {
  const at = path.lastIndexOf("/");
  return at < 0 ? [".", path] : [path.slice(0, at), path.slice(at + 1)];
}

const extension = (file: string): string => file.slice(file.lastIndexOf(".") + 1);
