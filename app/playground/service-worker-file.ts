/** Writes the service worker beside the built page, with the names of the files that it keeps. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformWithOxc, type Plugin } from "vite";

const SOURCE = fileURLToPath(new URL("./share/service-worker.ts", import.meta.url));

/** Larger ones, which are parts of the compiler, are kept when somebody has needed them. */
const MOST_BYTES = 1_000_000;

export const serviceWorkerFile = (): Plugin => ({
  name: "sinter-service-worker",
  apply: "build",
  async writeBundle({ dir }) {
    const files = readdirSync(dir!, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(dir!, name)).isFile())
      .map((name) => name.replaceAll("\\", "/"))
      .sort();
    const hash = createHash("sha256");
    for (const name of files) hash.update(name).update(readFileSync(join(dir!, name)));
    const first = files.filter((name) => isNeededFirst(name, statSync(join(dir!, name)).size));
    const { code } = await transformWithOxc(readFileSync(SOURCE, "utf8"), SOURCE);
    hash.update(code);
    writeFileSync(
      join(dir!, "sw.js"),
      `const VERSION = ${JSON.stringify(hash.digest("hex").slice(0, 16))};\n` +
        `const FIRST_FILES = ${JSON.stringify(["./", ...first])};\n${code}`,
    );
  },
});

/** The page is kept under the address of its folder; kernels are kept when a model has needed them. */
const isNeededFirst = (name: string, bytes: number): boolean =>
  !/^index\.html$|\.wasm$/.test(name) && bytes <= MOST_BYTES;
