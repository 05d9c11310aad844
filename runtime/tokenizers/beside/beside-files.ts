/**
 * The files that stand beside a tokenizer's own files, in a published folder and in a run's, and say what its
 * tokens are for:
 *
 *   tokenizer_config.json          which tokens begin and end a text, tokens behind the vocabulary, the chat
 *                                  template, how text is decoded
 *   generation_config.json         all tokens that end a text; settings of the sampler
 *   special_tokens_map.json        older: the special tokens
 *   added_tokens.json              older: tokens behind the vocabulary
 *   chat_template.jinja            the chat template; it counts before the one in tokenizer_config.json
 *   additional_chat_templates/     templates for other uses, by their names
 *
 * With a `Listener`, a flaw in one of them costs that part alone, and the listener gets a line about
 * it. Without a listener the flaw is thrown.
 */
import { SinterError } from "../../base/errors.ts";
import type { Files } from "../../base/files.ts";
import { CONFIG_FILE, MAX_JSON_BYTES } from "../json/read-tokenizer-json.ts";

export const GENERATION_FILE = "generation_config.json";
export const SPECIAL_MAP_FILE = "special_tokens_map.json";
export const ADDED_FILE = "added_tokens.json";
export const TEMPLATE_FILE = "chat_template.jinja";
export const TEMPLATES_FOLDER = "additional_chat_templates";

/** Receives lines for the user. */
export interface Listener {
  (line: string): void;
  /** For files that the user named: flaws are thrown, and only other lines are heard. */
  readonly strict?: boolean;
  /** Hears of flaws only, not of what else is worth knowing. */
  readonly brief?: boolean;
}

/** The listener of someone who uses a tokenizer and does not import it. */
export const brief = (listener: (line: string) => void): Listener =>
  Object.assign((line: string) => listener(line), { brief: true });

interface BesideFile {
  /** Longer files are not read. */
  readonly mostBytes: number;
  /** What goes on without the file, and how the user can help. */
  readonly without: string;
}

const OTHER_FOLDER = "tokens are what their names say; --tokenizer PATH names another folder";
const CHAT_ANYWAY = "sinter chat --chat-format NAME names another format";

/** The table of these files, in the order in which a run stores them. */
export const besideFiles: Readonly<Record<string, BesideFile>> = {
  [CONFIG_FILE]: { mostBytes: MAX_JSON_BYTES, without: OTHER_FOLDER },
  [GENERATION_FILE]: {
    mostBytes: 1 << 20,
    without: "a text ends where the tokenizer says; --stop TEXT ends it elsewhere",
  },
  [SPECIAL_MAP_FILE]: { mostBytes: 1 << 20, without: OTHER_FOLDER },
  [ADDED_FILE]: {
    mostBytes: 8 << 20,
    without: "its tokens are not known; --tokenizer PATH names another folder",
  },
  [TEMPLATE_FILE]: { mostBytes: 1 << 20, without: CHAT_ANYWAY },
};

/** The name of a template by its file: "additional_chat_templates/tool_use.jinja" is "tool_use". */
export const templateNameOf = (file: string): string | undefined =>
  /^additional_chat_templates\/([\w.-]{1,64})\.jinja$/.exec(file)?.[1];
const MOST_TEMPLATES = 64;

const limitsOf = (file: string): BesideFile => besideFiles[file] ?? besideFiles[TEMPLATE_FILE]!;

/** Tells the listener of a flaw in a file or in one of its keys, or throws it. */
export function flawed(file: string, cause: unknown, listener: Listener | undefined): void {
  if (!listener || listener.strict || !(cause instanceof SinterError) || cause.kind === "bug") throw cause;
  listener(`${cause.message}: left out (${limitsOf(file).without})`);
}

/** The files that the folder has, by name, in the order of the table. */
export async function readBeside(
  files: Files,
  folder: string,
  listener?: Listener,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const name of [...Object.keys(besideFiles), ...(await templatesIn(files, folder))]) {
    const path = `${folder}/${name}`;
    if (!(await files.exists(path))) continue;
    try {
      found.set(name, await readBounded(files, path, limitsOf(name).mostBytes));
    } catch (cause) {
      flawed(name, cause, listener);
    }
  }
  return found;
}

async function templatesIn(files: Files, folder: string): Promise<readonly string[]> {
  const path = `${folder}/${TEMPLATES_FOLDER}`;
  try {
    const names = (await files.list(path)).map((name) => `${TEMPLATES_FOLDER}/${name}`);
    return names.filter((name) => templateNameOf(name) !== undefined).slice(0, MOST_TEMPLATES);
  } catch (cause) {
    // There is no such folder, or it is behind an address, where nothing can be listed.
    if (cause instanceof SinterError) return [];
    throw cause;
  }
}

export async function readBounded(files: Files, path: string, most: number): Promise<Uint8Array> {
  const file = await files.open(path);
  try {
    if (file.bytes > most)
      throw new SinterError(
        "corrupt",
        `${path} has ${file.bytes} bytes; no tokenizer's file of this kind has more than ${most}`,
      );
    return await file.read(0, file.bytes);
  } finally {
    await file.close();
  }
}
