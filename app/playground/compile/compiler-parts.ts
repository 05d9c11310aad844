/**
 * While the page is built: writes down which of its files are the compiler of AssemblyScript, for the thread
 * that tells how far they are (compiler-files.ts).
 */
import type { Plugin } from "vite";

const PLACE = "SINTER_COMPILER_PARTS";
const PACKAGES = /\/node_modules\/(?:assemblyscript|binaryen|long)\//;

export const compilerParts = (): Plugin => ({
  name: "sinter-compiler-parts",
  generateBundle(_, bundle) {
    const chunks = Object.values(bundle).filter((file) => file.type === "chunk");
    const parts = chunks
      .filter(({ moduleIds }) => moduleIds.some((id) => PACKAGES.test(id)))
      .map(({ fileName, code }) => ({
        file: fileName.slice(fileName.lastIndexOf("/") + 1),
        bytes: Buffer.byteLength(code),
      }));
    for (const chunk of chunks)
      if (chunk.code.includes(PLACE)) chunk.code = chunk.code.replaceAll(PLACE, JSON.stringify(parts));
  },
});
