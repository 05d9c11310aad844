/** Kernels that were compiled in this browser before, among the page's files, by their content. */
import { writeAtomically, type Files } from "../../../runtime/base/files.ts";
import { opfsFiles } from "../../../runtime/browser/opfs-files.ts";
import type { KeptBytes } from "../../../runtime/contract/kept-bytes.ts";

const FOLDER = "kernels";
/** With more than so many, all are removed: an old one costs a second, and nobody counts. */
const MOST = 100;

/** `missed` is awaited when a kernel was not kept: something will be compiled. */
export async function keptKernels(missed: () => Promise<void>): Promise<KeptBytes> {
  const files = await opfsFiles().catch(() => undefined); // without files, nothing is kept
  return files
    ? kernelsIn(files, missed)
    : { read: () => missed().then(() => undefined), write: async () => {} };
}

function kernelsIn(files: Files, missed: () => Promise<void>): KeptBytes {
  return {
    async read(name) {
      const path = `${FOLDER}/${name}`;
      if (await files.exists(path)) return files.read(path);
      await missed();
      return undefined;
    },
    async write(name, wasm) {
      try {
        if ((await files.exists(FOLDER)) && (await files.list(FOLDER)).length >= MOST)
          await files.remove(FOLDER);
        await files.makeFolder(FOLDER);
        await writeAtomically(files, FOLDER, name, (file) => file.write(wasm));
      } catch {
        // it would only have saved time
      }
    },
  };
}
