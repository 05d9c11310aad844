/**
 * npm run study -- write-text scenes|pronouns -o FILE
 *
 * Writes one of the texts that are made here as a file: what `sinter tokenizer train` learns a vocabulary
 * from, or `sinter train --data` a model. scenes: the text that `sinter train` learns where none is
 * named. pronouns: sentences in which "it" means one of two nouns (specs/it.sinter).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { builtinText } from "../../runtime/train/sources/builtin-text.ts";
import { pronounText } from "../../runtime/train/sources/builtin-pronouns.ts";
import { missing } from "./asked.ts";

const texts: Readonly<Record<string, () => string>> = { scenes: builtinText, pronouns: pronounText };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", short: "o" } },
});
const make = texts[positionals[0] ?? ""];
if (!make || values.out === undefined)
  throw missing(`say which text, ${Object.keys(texts).join(" or ")}, and -o FILE`);
mkdirSync(dirname(values.out), { recursive: true });
writeFileSync(values.out, make());
