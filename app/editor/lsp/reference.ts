/** Where the language reference explains a code: what an editor opens when the code is clicked. */
import { existsSync, readFileSync } from "node:fs";

/** The same beside the sources and beside what is packaged. */
const REFERENCE = new URL("../../../compiler/LANGUAGE.md", import.meta.url);

/** The line of each code in the reference, from 1; none where it was left out of an installation. */
let lines: ReadonlyMap<string, number> | undefined;

/** The address of a code's line. Undefined: the reference is not there. */
export function referenceOf(code: string): string | undefined {
  lines ??= readLines();
  const line = lines.get(code);
  return line === undefined ? undefined : `${REFERENCE.href}#L${line}`;
}

function readLines(): ReadonlyMap<string, number> {
  if (!existsSync(REFERENCE)) return new Map();
  const rows = readFileSync(REFERENCE, "utf8").split("\n");
  return new Map(
    rows.flatMap((row, i) => {
      const code = /^\| ([EW]\d{4}) \|/.exec(row)?.[1];
      return code === undefined ? [] : [[code, i + 1] as const];
    }),
  );
}
