/**
 * Removes a run from its folder, so that another one can begin there: the files that a run writes, and
 * nothing else that lies in the folder.
 */
import { TEMPORARY, type Files } from "../base/files.ts";

const RECORD = "run.json";
/** What is kept of the stages before a run, for its report. */
export const EARLIER = "earlier.jsonl";
/** Names of files that a run writes. */
const own =
  /^(spec\.sinter|(log|earlier)\.jsonl|report\.html|reward\.json|(reference|step-\d+)\.safetensors)$/;

/** The record goes first: without it the folder holds no run, even if this is interrupted. */
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
