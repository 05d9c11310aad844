/** Where things are: the project's root, its specs, its launcher; and data beside it that may be absent. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The project's folder. */
export const root = resolve(fileURLToPath(import.meta.url), "../../..");

/** "specs/tiny.sinter" → its path on this machine. */
export const inProject = (path: string): string => `${root}/${path}`;

/** The same as an address, for `import()` in another process. */
export const addressOf = (path: string): string => pathToFileURL(inProject(path)).href;

/** A file or folder of ../shared, which need not be there. */
export const inShared = (path: string): string => resolve(root, "../shared", path);

/** The program of the command line. */
export const SINTER = inProject("sinter.js");

/** The text of a spec that the project ships: "tiny". */
export const shippedSpec = (name: string): string => readFileSync(inProject(`specs/${name}.sinter`), "utf8");
