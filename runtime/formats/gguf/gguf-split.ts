/**
 * Models that llama.cpp's gguf-split cut into several files: NAME-00001-of-00003.gguf and its siblings. Each
 * is a GGUF file with some of the tensors. The first has the metadata, and all have split.no (from 0),
 * split.count and split.tensors.count.
 */
import { SinterError } from "../../base/errors.ts";
import { baseName } from "../../base/files.ts";
import { corruptFile, type MetadataValue } from "../kit/weights.ts";

export const SPLIT_NO = "split.no";
export const SPLIT_COUNT = "split.count";
export const SPLIT_TENSORS = "split.tensors.count";
const MOST_FILES = 4096;

export interface Split {
  /** The file's number, from 0. */
  readonly no: number;
  readonly count: number;
  /** Tensors of all files together. */
  readonly tensors: number | undefined;
}

/** What a file says about the others; undefined where it is a complete model. */
export function splitOf(metadata: ReadonlyMap<string, MetadataValue>, path: string): Split | undefined {
  const number = (key: string, most: number): number | undefined => {
    const value = metadata.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most)
      throw corruptFile(
        path,
        `the metadata pair ${key} is ${String(value)}; a whole number up to ${most} was expected`,
      );
    return value;
  };
  const count = number(SPLIT_COUNT, MOST_FILES) ?? 0;
  const no = number(SPLIT_NO, MOST_FILES) ?? 0;
  const tensors = number(SPLIT_TENSORS, 1 << 24);
  if (no >= Math.max(1, count))
    throw corruptFile(
      path,
      `it is said to be file ${no + 1} of ${Math.max(1, count)} (${SPLIT_NO}, ${SPLIT_COUNT})`,
    );
  return count > 1 ? { no, count, tensors } : undefined;
}

const NUMBERED = /-(\d{5})-of-(\d{5})\.gguf$/;
const five = (n: number): string => `${n}`.padStart(5, "0");

/** The paths of all files, in order. Throws `input` where the file's name does not fit its number. */
export function splitPaths(path: string, { no, count }: Split): readonly string[] {
  const found = NUMBERED.exec(path);
  const stem = path.slice(0, found?.index);
  if (!found || Number(found[1]) !== no + 1 || Number(found[2]) !== count)
    throw new SinterError(
      "input",
      `${path} is file ${no + 1} of ${count} that a model was split into, and its name does not say so`,
      "Give the files the names that they were published with: " +
        `NAME-${five(no + 1)}-of-${five(count)}.gguf is this one.`,
    );
  return Array.from({ length: count }, (_, i) => `${stem}-${five(i + 1)}-of-${five(count)}.gguf`);
}

/** An `input` error that says which files are missing. */
export function missingPart(path: string, { no, count }: Split, missing: readonly string[]): SinterError {
  const names = missing.slice(0, 3).map(baseName).join(", ");
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : "";
  return new SinterError(
    "input",
    `${path} is file ${no + 1} of ${count} that a model was split into; beside it there is no ` +
      `${names}${more}`,
    "Put all files of the model into one folder; then name any of them.",
  );
}

/** Throws `corrupt` where a file belongs to another model. */
export function checkPart(path: string, part: Split | undefined, first: Split, no: number): void {
  if (part?.no !== no || part.count !== first.count || part.tensors !== first.tensors)
    throw corruptFile(
      path,
      `it is not file ${no + 1} of ${first.count} of the same model`,
      "Fetch all files again, from one place.",
    );
}
