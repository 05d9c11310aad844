/**
 * reference.safetensors: what the reference says of a run's answers, computed once, with the key of all that
 * it depends upon. Weights that have learnt can not compute it again.
 */
import { writeAtomically, type Files } from "../base/files.ts";
import { SinterError } from "../base/errors.ts";
import { readSafetensors, writeHeader } from "./safetensors.ts";

export const REFERENCE_FILE = "reference.safetensors";

/** What it depends upon: "weights", "tokenizer", "data" …, each by a hash or in words. */
export type ReferenceKey = Readonly<Record<string, string>>;
/** Log-probabilities by the name of the rows: "train", "held_out". */
export type ReferenceArrays = Readonly<Record<string, Float32Array>>;

/**
 * Undefined: there is no such file. Throws SinterError "input" where it was computed of something else, and
 * says of what.
 */
export async function readReference(
  files: Files,
  folder: string,
  key: ReferenceKey,
): Promise<ReferenceArrays | undefined> {
  const path = `${folder}/${REFERENCE_FILE}`;
  if (!(await files.exists(path))) return undefined;
  const bytes = await files.read(path);
  const { metadata, tensors } = readSafetensors(bytes, path);
  const differing = Object.keys(key).filter((name) => metadata.get(name) !== key[name]);
  if (differing.length > 0)
    throw new SinterError(
      "input",
      `${path} was computed with other ${differing.join(", ")}`,
      "Give what the run began with, or begin another run with --out DIR.",
    );
  return Object.fromEntries(
    [...tensors].map(([name, { begin, end }]) => [name, new Float32Array(bytes.slice(begin, end).buffer)]),
  );
}

export async function writeReference(
  files: Files,
  folder: string,
  key: ReferenceKey,
  arrays: ReferenceArrays,
): Promise<void> {
  const tensors = Object.entries(arrays);
  await writeAtomically(files, folder, REFERENCE_FILE, async (file) => {
    const shapes = tensors.map(([name, { length }]) => ({ name, dtype: "F32" as const, shape: [length] }));
    await file.write(writeHeader(shapes, key));
    for (const [, array] of tensors)
      await file.write(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  });
}
