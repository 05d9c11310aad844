/**
 * The files of AssemblyScript's compiler and of binaryen. A script that is imported says nothing of how far
 * it is; so its files are fetched before, and the import finds them in the browser's cache.
 */

interface Part {
  /** Its name beside this program. */
  readonly file: string;
  readonly bytes: number;
}

/** Written into this program when the page is built (compiler-parts.ts). A development server has none. */
declare const SINTER_COMPILER_PARTS: readonly Part[];

let loaded = false;

/** Resolves when everything is in the browser's cache. `total` is undefined where no sizes are known. */
export async function loadCompiler(
  report: (loaded: number, total: number | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  if (loaded) return;
  const parts = typeof SINTER_COMPILER_PARTS === "undefined" ? [] : SINTER_COMPILER_PARTS;
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  let here = 0;
  report(0, total || undefined);
  for (const { file } of parts) {
    const { body } = await fetch(new URL(file, import.meta.url), { signal });
    for await (const piece of body!) {
      here += piece.length;
      report(here, total);
    }
  }
  loaded = true;
}
