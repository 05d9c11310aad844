/**
 * The tokenizer of a run that begins: named, built in, beside the spec, or of the run that it begins with.
 */
import { dirname } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Model, TokenizerName } from "../../../runtime/contract/model.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { brief } from "../../../runtime/tokenizers/beside/beside-files.ts";
import {
  filesNeeded,
  readTokenizer,
  tokenizerAt,
  tokenizerIn,
} from "../../../runtime/tokenizers/tokenizer-files.ts";
import { plainTokenizer } from "../../../runtime/train/sources/plain-tokenizer.ts";
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
  const { tokenizer: name, sizes } = model;
  const files = nodeFiles();
  if (source && folder === undefined)
    return readTokenizer(
      files,
      `${source.folder}/tokenizer`,
      source.bundle.manifest.model.tokenizer,
      otherJson,
    );
  const plain = plainTokenizer(model, text);
  if (plain) return plain;
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
