/**
 * The tokenizer of a run that begins: named, built in, beside the spec, or of the run that it begins with.
 */
import { dirname } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Model, TokenizerName, TrainSettings } from "../../../runtime/contract/model.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { END_OF_TEXT, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { brief } from "../../../runtime/tokenizers/beside/beside-files.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { charactersOf, characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import {
  filesNeeded,
  readTokenizer,
  tokenizerAt,
  tokenizerIn,
} from "../../../runtime/tokenizers/tokenizer-files.ts";
import { documentTexts } from "../../../runtime/train/sources/documents.ts";
import { checkIfRun } from "../runs/use-run.ts";
import { pathFrom, type Io } from "../terminal/io.ts";

/** `source`: the run whose weights are taken; its tokenizer is used unless another is named. */
export async function findTokenizer(
  model: Model,
  text: string,
  folder: string | undefined,
  spec: string,
  io: Io,
  source?: Run,
): Promise<Tokenizer> {
  const {
    tokenizer: name,
    sizes,
    train: { rows },
  } = model;
  const files = nodeFiles();
  if (source && folder === undefined)
    return readTokenizer(
      files,
      `${source.folder}/tokenizer`,
      source.bundle.manifest.model.tokenizer,
      otherJson,
    );
  if (name === "characters") return charactersWithin(text, sizes.vocab, rows);
  if (name === "bytes") return byteTokenizer({ ends: rows === "documents" });
  if (folder !== undefined) await checkIfRun(folder, io);
  const named = folder === undefined ? undefined : pathFrom(io, folder);
  const tokenizer = await (named === undefined
    ? besideSpec(name, dirname(pathFrom(io, spec)), io)
    : tokenizerAt(files, named, name, otherJson));
  if (tokenizer.size > sizes.vocab)
    throw new SinterError(
      "input",
      `the ${name} tokenizer has ${tokenizer.size} tokens, the model's vocabulary ${sizes.vocab}`,
      `Set vocab ${tokenizer.size}, for example with --set vocab=${tokenizer.size}`,
    );
  return tokenizer;
}

/**
 * Looks for a tokenizer beside the spec, in files that nobody named. A flaw in one of them is noted, and the
 * file not used.
 */
async function besideSpec(name: TokenizerName, beside: string, io: Io): Promise<Tokenizer> {
  for (const place of [beside, `${beside}/${name}`, `${beside}/tokenizer`]) {
    const listener = brief((line) => io.err(`note: ${line}\n`));
    const found = await tokenizerIn(nodeFiles(), place, name, otherJson, listener);
    if (found) return found;
  }
  throw new SinterError(
    "input",
    `the ${name} tokenizer needs ${filesNeeded(name)}, and nothing of that stands beside the spec`,
    "Name the folder that holds the files: --tokenizer DIR. Or learn bytes, which need none: `tokenizer " +
      "bytes` in the spec.",
  );
}

/**
 * A tokenizer of the text's characters. Where rows are documents, of the characters in them, and of one token
 * more, which begins and ends each document.
 */
function charactersWithin(text: string, vocab: number, rows: TrainSettings["rows"]): Tokenizer {
  const ends = rows === "documents";
  const characters = charactersOf(ends ? documentTexts(text).texts.join("") : text);
  const size = characters.length + (ends ? 1 : 0);
  if (size > vocab)
    throw new SinterError(
      "input",
      `the text has ${characters.length} different characters` +
        `${ends ? ", and a document's end is a token too" : ""}; the model's vocabulary is ${vocab}`,
      `Set vocab ${size}, for example with --set vocab=${size}; or give a text that has fewer: --data FILE`,
    );
  return characterTokenizer(ends ? [...characters, END_OF_TEXT] : characters);
}
