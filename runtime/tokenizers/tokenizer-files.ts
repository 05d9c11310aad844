/** Opens tokenizers from their files. The table here says which files each kind has. */
import type { TokenizerName } from "../contract/model.ts";
import { SinterError } from "../base/errors.ts";
import type { Files } from "../base/files.ts";
import type { AddedToken } from "./base/added-tokens.ts";
import { configBytes, nothingBeside, openBeside, type Beside } from "./beside/beside.ts";
import { flawed, readBeside, readBounded, type Listener } from "./beside/beside-files.ts";
import { BYTES_FILE, byteTokenizer, parseBytes } from "./plain/bytes.ts";
import { CHARACTERS_FILE, characterTokenizer, parseCharacters } from "./plain/characters.ts";
import { GPT2_FILES, gpt2Tokenizer } from "./published/gpt2.ts";
import { IDS_FILE, parseIds } from "./plain/ids.ts";
import { field, optionalText, parseJson } from "./base/json-fields.ts";
import { LLAMA2C_FILE, llama2cFile } from "./published/llama2c-file.ts";
import { LLAMA3_FILE, llama3Tokenizer } from "./published/llama3.ts";
import { SENTENCEPIECE_FILE, sentencePieceFile } from "./published/sentencepiece-file.ts";
import { MAX_TABLE_BYTES } from "./base/tiktoken.ts";
import {
  addedIn,
  CONFIG_FILE,
  JSON_FILE,
  MAX_JSON_BYTES,
  readTokenizerJson,
  unsupportedJson,
  type JsonFiles,
} from "./json/read-tokenizer-json.ts";
import type { Tokenizer } from "./base/tokenizer.ts";
import { withAddedTokens, withBeside } from "./beside/with-beside.ts";

/**
 * Opens a tokenizer.json that the reader here does not support. Node has one that does
 * (node/bounded-tokenizer.ts).
 */
export type OtherJson = (files: JsonFiles, unsupported: string) => Tokenizer | Promise<Tokenizer>;

interface Reading {
  /** The path of the first file. */
  readonly path: string;
  readonly name: TokenizerName;
  readonly beside: Beside;
  readonly other: OtherJson | undefined;
  readonly listener: Listener | undefined;
}

interface FileSet {
  readonly needs: readonly string[];
  /** Longer files are not read into memory. */
  readonly mostBytes: number;
  /** Whether the files beside these count, which say which tokens end a text, or how a chat is written. */
  readonly beside: boolean;
  read(contents: readonly Uint8Array[], reading: Reading): Tokenizer | Promise<Tokenizer>;
}

/** The older names that Hugging Face has for GPT-2's two files. */
const GPT2_OLDER = ["vocab.json", "merges.txt"] as const;

const gpt2Set = (needs: readonly string[]): FileSet => ({
  needs,
  mostBytes: MAX_TABLE_BYTES,
  beside: true,
  read([encoder, merges], { path, beside }) {
    onlyClass(/^GPT2Tokenizer(Fast)?$/, beside, path);
    return gpt2Tokenizer(encoder!, merges!, beside.added);
  },
});
const sentencePiece: FileSet = {
  needs: [SENTENCEPIECE_FILE],
  mostBytes: MAX_TABLE_BYTES,
  beside: true,
  read([model], { path, name, beside }) {
    onlyClass(/^(Code)?LlamaTokenizer(Fast)?$/, beside, path);
    const legacy = beside.config && field(beside.config, "legacy").value;
    return sentencePieceFile(model!, name, path, { added: beside.added, spaceAtStartOnly: legacy === false });
  },
};
const llama2c: FileSet = {
  needs: [LLAMA2C_FILE],
  mostBytes: MAX_TABLE_BYTES,
  beside: true,
  read: ([table], { path, name }) => llama2cFile(table!, name, path),
};
const llama3: FileSet = {
  needs: [LLAMA3_FILE],
  mostBytes: MAX_TABLE_BYTES,
  beside: true,
  read: ([ranks], { path }) => llama3Tokenizer(ranks!, path),
};
const characters: FileSet = {
  needs: [CHARACTERS_FILE],
  mostBytes: MAX_TABLE_BYTES,
  beside: false,
  read: ([json], { path }) => characterTokenizer(parseCharacters(new TextDecoder().decode(json), path)),
};
const ids: FileSet = {
  needs: [IDS_FILE],
  mostBytes: MAX_TABLE_BYTES,
  beside: true,
  read: ([size], { path }) => parseIds(size!, path),
};
const json: FileSet = {
  needs: [JSON_FILE],
  mostBytes: MAX_JSON_BYTES,
  beside: true,
  async read([bytes], { path, beside, other, listener }) {
    const config = configBytes(beside);
    const open = async (
      json: Uint8Array,
    ): Promise<{ readonly tokenizer: Tokenizer; readonly added: readonly AddedToken[] }> => {
      const reading = readTokenizerJson({ json, config, from: path });
      if ("tokenizer" in reading) return reading;
      if (!other) throw unsupportedJson(path, reading.unsupported);
      return {
        tokenizer: await other({ json, config, from: path }, reading.unsupported),
        added: addedIn(parseJson(json, path, MAX_JSON_BYTES)),
      };
    };
    const { tokenizer, added } = await open(bytes!);
    const lacking = notIn(beside.added, added, tokenizer);
    if (lacking.length === 0) return tokenizer;
    try {
      return (await open(withAddedTokens(bytes!, lacking, path))).tokenizer;
    } catch (cause) {
      flawed(CONFIG_FILE, cause, listener);
      return tokenizer;
    }
  },
};

/**
 * Added tokens that tokenizer.json does not list, or lists as plain ones. A token whose id tokenizer.json
 * gives to another token is left out.
 */
function notIn(
  wanted: readonly AddedToken[],
  listed: readonly AddedToken[],
  { size, absent, bytes }: Tokenizer,
): readonly AddedToken[] {
  const byName = new Map(listed.map((token) => [token.name, token]));
  const utf8 = new TextDecoder();
  return wanted.filter(({ name, special, id }) => {
    const found = byName.get(name);
    if (found) return special && !found.special && found.id === id;
    return id >= size || absent?.has(id) || utf8.decode(bytes(id)) === name;
  });
}

const bytes: FileSet = {
  needs: [BYTES_FILE],
  mostBytes: MAX_TABLE_BYTES,
  beside: false,
  read: ([end], { path }) => parseBytes(new TextDecoder().decode(end), path),
};

/** The table of tokenizers' files. If a kind has several sets of files, the first set that exists is read. */
export const tokenizerFiles: Readonly<Record<TokenizerName, readonly FileSet[]>> = {
  bytes: [bytes],
  characters: [characters],
  gpt2: [gpt2Set(GPT2_FILES), gpt2Set(GPT2_OLDER)],
  llama2: [sentencePiece, llama2c],
  llama3: [llama3],
  sentencepiece: [sentencePiece, llama2c],
  json: [json],
  ids: [ids],
};

/** "encoder.json and vocab.bpe, or …" */
export const filesNeeded = (name: TokenizerName): string =>
  tokenizerFiles[name].map(({ needs }) => needs.join(" and ")).join(", or ");

/**
 * Throws `input` where tokenizer_config.json names another class than the one whose rules are applied here:
 * under that class's rules the same files give other ids.
 */
function onlyClass(known: RegExp, { config }: Beside, path: string): void {
  const found = config && optionalText(field(config, "tokenizer_class"));
  if (found === undefined || known.test(found) || found === "PreTrainedTokenizerFast") return;
  throw new SinterError(
    "input",
    `${path} belongs to a ${found}, which reads it in its own way`,
    "A tokenizer.json says how: name its folder with --tokenizer PATH.",
  );
}

/** `folder` is where files beside these are looked for; undefined where there is none. */
async function readSet(
  files: Files,
  set: FileSet,
  paths: readonly string[],
  folder: string | undefined,
  name: TokenizerName,
  { other, listener }: Opening,
): Promise<Tokenizer> {
  const contents: Uint8Array[] = [];
  for (const path of paths) contents.push(await readBounded(files, path, set.mostBytes));
  const beside =
    folder === undefined || !set.beside
      ? nothingBeside
      : openBeside(await readBeside(files, folder, listener), folder, listener);
  const tokenizer = await set.read(contents, { path: paths[0]!, name, beside, other, listener });
  if (tokenizer.note !== undefined) listener?.(tokenizer.note);
  return withBeside(tokenizer, beside, listener);
}

interface Opening {
  readonly other: OtherJson | undefined;
  readonly listener: Listener | undefined;
}

/**
 * The tokenizer in a folder; undefined where the folder has none of the sets of files of this kind. A flaw in
 * a file beside these costs that file alone, and `listener` gets a line about it; without `listener` it is
 * thrown.
 */
export async function tokenizerIn(
  files: Files,
  folder: string,
  name: TokenizerName,
  other?: OtherJson,
  listener?: Listener,
): Promise<Tokenizer | undefined> {
  for (const set of tokenizerFiles[name])
    if (await files.exists(`${folder}/${set.needs[0]!}`))
      return readSet(
        files,
        set,
        set.needs.map((file) => `${folder}/${file}`),
        folder,
        name,
        { other, listener },
      );
  const isFile = folder.endsWith(`/${BYTES_FILE}`); // the path names the file, not its folder
  return name === "bytes" && !isFile ? byteTokenizer() : undefined;
}

/** Opens a tokenizer that was published or saved as files in `folder`. The `bytes` tokenizer needs none. */
export async function readTokenizer(
  files: Files,
  folder: string,
  name: TokenizerName,
  other?: OtherJson,
): Promise<Tokenizer> {
  const found = await tokenizerIn(files, folder, name, other);
  if (found) return found;
  throw new SinterError(
    "input",
    `the ${name} tokenizer needs ${filesNeeded(name)}, and there is none in ${folder}`,
    "Name the folder that holds them: --tokenizer DIR",
  );
}

/** Opens a tokenizer of kind `name` from `path`, which is a folder with its files, or the file. */
export async function tokenizerAt(
  files: Files,
  path: string,
  name: TokenizerName,
  other?: OtherJson,
  listener?: Listener,
): Promise<Tokenizer> {
  const found = await tokenizerIn(files, path, name, other, listener);
  if (found) return found;
  const [folder, file] = split(path);
  const sets = tokenizerFiles[name];
  const set =
    sets.find(({ needs }) => needs.includes(file)) ??
    sets.find(({ needs }) => needs.length === 1 && extension(needs[0]!) === extension(file));
  if (!set || !(await files.exists(path)))
    throw new SinterError(
      "input",
      `the ${name} tokenizer needs ${filesNeeded(name)}, and there is none in ${path}`,
      "Name the folder that holds them, or the file.",
    );
  const paths = set.needs.length > 1 ? set.needs.map((needed) => `${folder}/${needed}`) : [path];
  return readSet(files, set, paths, set.needs.includes(file) ? folder : undefined, name, { other, listener });
}

/**
 * Opens a tokenizer of any kind from `path`: a file, a folder that holds its files, or a run, which has them
 * in `tokenizer/`.
 */
export async function openTokenizer(
  files: Files,
  path: string,
  other?: OtherJson,
  listener?: Listener,
): Promise<Tokenizer> {
  for (const folder of [path, `${path}/tokenizer`])
    for (const file of namesInFolders)
      if (await files.exists(`${folder}/${file}`))
        return openTokenizer(files, `${folder}/${file}`, other, listener);
  return tokenizerAt(files, path, await kindOf(files, path), other, listener);
}

/** File names by which a folder's tokenizer is recognised. tokenizer.json comes first, since it says most. */
export const namesInFolders = [
  JSON_FILE,
  GPT2_FILES[0],
  GPT2_OLDER[0],
  SENTENCEPIECE_FILE,
  LLAMA2C_FILE,
  CHARACTERS_FILE,
  IDS_FILE,
  BYTES_FILE,
] as const;

/** The kind of a file: by its name, and where several kinds share a name, by its contents. */
async function kindOf(files: Files, path: string): Promise<TokenizerName> {
  const [, file] = split(path);
  if (tokenizerFiles.gpt2.some(({ needs }) => needs.includes(file))) return "gpt2";
  if (file === CHARACTERS_FILE) return "characters";
  if (file === IDS_FILE) return "ids";
  if (file === BYTES_FILE) return "bytes";
  switch (extension(file)) {
    case "json":
      return "json";
    case "bin":
      return "sentencepiece";
    case "model": {
      const bytes = await readBounded(files, path, MAX_TABLE_BYTES);
      return /^[A-Za-z0-9+/]+={0,2} \d+\r?\n/.test(new TextDecoder().decode(bytes.subarray(0, 2048)))
        ? "llama3"
        : "sentencepiece";
    }
    default:
      if (!(await files.exists(path)))
        throw new SinterError("input", `there is no file or folder ${path}`, "Check the path.");
      throw new SinterError(
        "input",
        `${path} is no file of a tokenizer`,
        `Known are ${allFileNames().join(", ")}.`,
      );
  }
}

/** The names of all files that some tokenizer needs. */
function allFileNames(): readonly string[] {
  const sets = Object.values(tokenizerFiles).flat();
  return [...new Set(sets.flatMap(({ needs }) => needs))];
}

function split(path: string): readonly [folder: string, file: string] {
  const at = path.lastIndexOf("/");
  return at < 0 ? [".", path] : [path.slice(0, at), path.slice(at + 1)];
}

const extension = (file: string): string => file.slice(file.lastIndexOf(".") + 1);
