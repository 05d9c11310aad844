/**
 * The tokenizer of a published model: the one that the user names, else files beside the weights or the
 * tokenizer in the weights' file, else ids as they are.
 *
 * A tokenizer that the user names has to be whole. A flaw in any other one, or in a file beside it, makes
 * that file unused at most; one line says so, and what can be done.
 */
import { basename, dirname } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { tokenizerOfGguf } from "../../../runtime/formats/gguf/gguf-tokenizer.ts";
import type { GgufFile } from "../../../runtime/formats/gguf/gguf.ts";
import { CONFIG_FILE as MODEL_CONFIG } from "../../../runtime/formats/huggingface/huggingface-common.ts";
import { MAX_CONFIG_BYTES } from "../../../runtime/formats/huggingface/huggingface.ts";
import type { Published } from "../../../runtime/formats/published.ts";
import { templateFlaw } from "../../../runtime/node/chat-template.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { openBeside } from "../../../runtime/tokenizers/beside/beside.ts";
import {
  GENERATION_FILE,
  readBeside,
  readBounded,
  type Listener,
} from "../../../runtime/tokenizers/beside/beside-files.ts";
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import { idTokenizer } from "../../../runtime/tokenizers/plain/ids.ts";
import { field, parseJson } from "../../../runtime/tokenizers/base/json-fields.ts";
import { addedIn, JSON_FILE, MAX_JSON_BYTES } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { namesInFolders, openTokenizer, tokenizerAt } from "../../../runtime/tokenizers/tokenizer-files.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { withBeside, withinRows } from "../../../runtime/tokenizers/beside/with-beside.ts";
import { asSpecsName } from "./tokenizer-in-spec.ts";

export interface FoundTokenizer {
  readonly tokenizer: Tokenizer;
  /** Notes for the user: what was left out, and why there is no tokenizer where there is none. */
  readonly notes: readonly string[];
}

export async function findPublishedTokenizer(
  files: Files,
  published: Published,
  path: string,
  given: string | undefined,
): Promise<FoundTokenizer> {
  const { vocab } = published.architecture;
  const { file } = published;
  let notes: string[] = [];
  const listener: Listener = (line) => void notes.push(line);
  const folder = file.format === "safetensors" ? dirname(file.path) : dirname(path);
  const strict: Listener = Object.assign((line: string) => listener(line), { strict: true });
  const found =
    given !== undefined
      ? await openTokenizer(files, given, otherJson, strict)
      : file.format === "gguf"
        ? await inGguf(file as GgufFile, listener)
        : await besideWeights(files, folder, file.format === "llama2.c", listener);
  const beyond = found && rowless(found, vocab);
  if (given !== undefined && beyond === "another")
    throw new SinterError(
      "input",
      `the tokenizer in ${given} has ${found!.size} tokens, the model's vocabulary ${vocab}`,
      "It belongs to another model.",
    );
  const where = file.format === "gguf" ? basename(path) : folder;
  if (beyond === "another")
    notes = [noTokenizer(`the one in ${where} has ${found!.size} tokens, the model ${vocab}`)];
  else if (beyond !== undefined) listener(beyond);
  const usable = found && beyond !== "another" ? asSpecsName(found) : undefined;
  const tokenizer = usable ?? (await idsBeside(files, vocab, file.format === "gguf" ? undefined : folder));
  const configured = file.format === "safetensors";
  const whole = configured ? await withConfigEnds(files, tokenizer, folder, listener) : tokenizer;
  const template = templateOf(whole.files);
  const flaw = template && (await templateFlaw(template));
  if (flaw !== undefined)
    listener(
      `${flaw.replace(/\s+/g, " ")}: kept, and of no use ` +
        "(sinter chat --chat-format NAME names another format)",
    );
  return { tokenizer: withinRows(whole, vocab), notes };
}

const noTokenizer = (why: string): string =>
  `no tokenizer: ${why}; texts are ids for now (--tokenizer PATH names one)`;

/** The message of an error, for a note; other kinds of errors are thrown on. */
const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof SinterError) || (cause.kind !== "input" && cause.kind !== "corrupt")) throw cause;
  return cause.message;
};

async function inGguf(file: GgufFile, listener: Listener): Promise<Tokenizer | undefined> {
  try {
    const found = await tokenizerOfGguf(file, listener);
    if ("tokenizer" in found) return found.tokenizer;
    listener(noTokenizer(found.none));
  } catch (cause) {
    listener(noTokenizer(reasonOf(cause)));
  }
  return undefined;
}

async function besideWeights(
  files: Files,
  folder: string,
  llama2c: boolean,
  listener: Listener,
): Promise<Tokenizer | undefined> {
  const flaws: string[] = [];
  for (const name of namesInFolders) {
    if (!(await files.exists(`${folder}/${name}`))) continue;
    const said: string[] = [];
    try {
      const tokenizer = await openTokenizer(
        files,
        `${folder}/${name}`,
        otherJson,
        (line) => void said.push(line),
      );
      for (const flaw of flaws)
        listener(`${flaw}: ${name} is read in its place (--tokenizer PATH names another)`);
      said.forEach(listener);
      return tokenizer;
    } catch (cause) {
      flaws.push(reasonOf(cause));
    }
  }
  // tok512.bin
  const own = llama2c ? (await files.list(folder)).filter((name) => /^tok\d+\.bin$/.test(name)) : [];
  if (flaws.length === 0 && own.length === 1)
    return tokenizerAt(files, `${folder}/${own[0]}`, "sentencepiece");
  listener(noTokenizer(flaws.length > 0 ? flaws.join("; ") : `there is none in ${folder}`));
  return undefined;
}

/** A tokenizer of ids alone. generation_config.json, where there is one, says which of them end a text. */
async function idsBeside(files: Files, vocab: number, folder: string | undefined): Promise<Tokenizer> {
  const ids = idTokenizer(vocab);
  const ignore = (): void => {};
  if (folder === undefined) return ids;
  const contents = new Map(
    [...(await readBeside(files, folder, ignore))].filter(([name]) => name === GENERATION_FILE),
  );
  return withBeside(ids, openBeside(contents, folder, ignore));
}

/**
 * config.json names end tokens, too. Where there is no generation_config.json, the library makes one from it,
 * and so does this.
 */
async function withConfigEnds(
  files: Files,
  tokenizer: Tokenizer,
  folder: string,
  listener: Listener,
): Promise<Tokenizer> {
  const path = `${folder}/${MODEL_CONFIG}`;
  const config = parseJson(await readBounded(files, path, MAX_CONFIG_BYTES), path, MAX_CONFIG_BYTES);
  const [begin, end] = ["bos_token_id", "eos_token_id"].map((key) => field(config, key).value);
  if (tokenizer.files.has(GENERATION_FILE) || end === undefined) return tokenizer;
  const generation = { _from_model_config: true, bos_token_id: begin ?? null, eos_token_id: end };
  const made = new TextEncoder().encode(`${JSON.stringify(generation)}\n`);
  const beside = openBeside(new Map([[GENERATION_FILE, made]]), `${path}, as ${GENERATION_FILE}`, listener);
  const news = beside.ends.some((id) => !tokenizer.stops.has(id));
  return news ? withBeside(tokenizer, { ...beside, config: undefined }) : tokenizer;
}

/**
 * A note about tokens that the model has no rows for; undefined when every token has a row. "another" when
 * ordinary tokens are among them, and not only added ones: then the tokenizer is another model's.
 */
function rowless(tokenizer: Tokenizer, rows: number): string | undefined {
  if (tokenizer.size <= rows) return undefined;
  const added = addedIds(tokenizer);
  const utf8 = new TextDecoder();
  const beyond = Array.from({ length: tokenizer.size - rows }, (_, i) => rows + i).filter(
    (id) => !tokenizer.absent?.has(id),
  );
  if (!beyond.every((id) => added.has(id))) return "another";
  const named = beyond
    .slice(0, 4)
    .map((id) => `${JSON.stringify(utf8.decode(tokenizer.bytes(id)))} (${id})`)
    .join(", ");
  const [has, it] = beyond.length === 1 ? ["1 token", "it is"] : [`${beyond.length} tokens`, "they are"];
  const more = beyond.length > 4 ? ", …" : "";
  return (
    `the model has no rows for ${has} of its tokenizer, ${named}${more}: ` +
    `${it} never drawn, and can not be fed`
  );
}

function addedIds(tokenizer: Tokenizer): ReadonlySet<number> {
  const json = tokenizer.files.get(JSON_FILE);
  const inJson = json ? addedIn(parseJson(json, JSON_FILE, MAX_JSON_BYTES)) : [];
  const beside = openBeside(tokenizer.files, "").added;
  return new Set([...tokenizer.special.values(), ...[...inJson, ...beside].map(({ id }) => id)]);
}
