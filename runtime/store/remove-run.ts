/**
 * Takes a run out of its folder, for another that begins there: what a run writes, and nothing else that lies
 * in it.
 */
import { TEMPORARY, type Files } from "../base/files.ts";

const RECORD = "run.json";
const own = /^(spec\.sinter|log\.jsonl|report\.html|step-\d+\.safetensors)$/;

/** The record goes first: without it the folder holds no run, whatever ends the rest. */
export async function removeRun(files: Files, folder: string): Promise<void> {
  await files.remove(`${folder}/${RECORD}`);
  await files.syncFolder(folder);
  const names = await files.list(folder);
  for (const inner of ["bundle", "tokenizer"])
    if (names.includes(inner))
      for (const name of await files.list(`${folder}/${inner}`))
        await files.remove(`${folder}/${inner}/${name}`);
  for (const name of names)
    if (own.test(name) || name.endsWith(`.safetensors${TEMPORARY}`)) await files.remove(`${folder}/${name}`);
}
