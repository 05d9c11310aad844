/** Asks PyTorch for the logits of a Hugging Face folder (huggingface.py). */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const python = "/usr/bin/python3";
const script = fileURLToPath(new URL("huggingface.py", import.meta.url));

export const torchHere = ((): boolean => {
  try {
    execFileSync(python, ["-c", "import torch"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
export const withoutTorch = torchHere ? "" : `(skipped: ${python} has no torch)`;

/** [ids][vocab] */
export const torchLogits = (folder: string, ids: readonly number[]): number[][] =>
  JSON.parse(
    execFileSync(python, [script, folder, ids.join()], { encoding: "utf8", maxBuffer: 1 << 26 }),
  ) as number[][];
