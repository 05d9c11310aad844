/** Asks PyTorch for the logits of a Hugging Face folder (huggingface.py). */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { PYTHON, pythonHas } from "../../support/debian-python.ts";

const script = fileURLToPath(new URL("huggingface.py", import.meta.url));

export const torchHere = pythonHas("torch");
export const withoutTorch = torchHere ? "" : `(skipped: ${PYTHON} has no torch)`;

/** [ids][vocab] */
export const torchLogits = (folder: string, ids: readonly number[]): number[][] =>
  JSON.parse(
    execFileSync(PYTHON, [script, folder, ids.join()], { encoding: "utf8", maxBuffer: 1 << 26 }),
  ) as number[][];
