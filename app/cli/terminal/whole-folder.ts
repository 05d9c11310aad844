/**
 * Folders that a verb writes (a bundle, an exported model). Either all of their files are there, or the key
 * file, without which the folder is not taken for one, is absent.
 */
import fs from "node:fs";
import { dirname, join } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";
import { causeOf, removedOnSignal, syncFolder, temporaryBeside } from "./files.ts";

/**
 * `fill` writes into a temporary folder beside the real one, and then gets its name. Where the folder is
 * there already, its files are replaced one by one, after all new ones have been written: `key` (a manifest,
 * say) is removed first and comes last, so that a mixture of old and new is never taken for a whole folder.
 * Other files in it stay.
 */
export async function wholeFolder<T>(
  folder: string,
  key: string,
  fill: (into: string) => T | Promise<T>,
): Promise<T> {
  const temporary = temporaryBeside(folder);
  const release = removedOnSignal(temporary);
  try {
    fs.mkdirSync(dirname(folder), { recursive: true });
    fs.mkdirSync(temporary);
    const made = await fill(temporary);
    syncAll(temporary);
    place(temporary, folder, key);
    syncFolder(dirname(folder));
    return made;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof SinterError || typeof code !== "string") throw error;
    throw new SinterError("input", `cannot write ${folder}: ${causeOf(error)}`);
  } finally {
    release();
    removeQuietly(temporary);
  }
}

/** A folder that could not be made cannot be removed either. */
function removeQuietly(folder: string): void {
  try {
    fs.rmSync(folder, { recursive: true, force: true });
  } catch {
    // the first failure is the one to tell
  }
}

/** Paths of all files in a folder and its folders, from there. */
const filesIn = (folder: string): readonly string[] =>
  fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));

function syncAll(folder: string): void {
  for (const file of filesIn(folder)) {
    const descriptor = fs.openSync(join(folder, file), "r");
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  }
  syncFolder(folder);
}

function place(temporary: string, folder: string, key: string): void {
  if (!fs.existsSync(folder)) return fs.renameSync(temporary, folder);
  const names = filesIn(temporary);
  const isFolder = (name: string): boolean =>
    fs.statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory() === true;
  if (names.some(isFolder)) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
  for (const name of names) fs.mkdirSync(dirname(join(folder, name)), { recursive: true });
  fs.rmSync(join(folder, key), { force: true });
  for (const name of names.filter((n) => n !== key)) fs.renameSync(join(temporary, name), join(folder, name));
  if (names.includes(key)) fs.renameSync(join(temporary, key), join(folder, key));
  syncFolder(folder);
}
