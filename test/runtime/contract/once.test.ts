/** What compiler and runtime agree on is written down in one file, and nowhere a second time. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { sourcesOf } from "../../support/house.ts";
import { inProject, root } from "../../support/paths.ts";

const files = sourcesOf(root)
  .map(({ path, lines }) => ({ path, text: lines.join("\n") }))
  .filter(({ path }) => /^(runtime|compiler|bench|app)\//.test(path));
const contract = files.filter(({ path }) => path.startsWith("runtime/contract/"));
const others = files.filter((file) => !contract.includes(file));

test("a constant of the contract has no namesake", () => {
  const names = contract.flatMap(({ text }) =>
    [...text.matchAll(/^export const ([A-Z0-9_]+) =/gm)].map(([, name]) => name!),
  );
  expect(names.length).toBeGreaterThan(15);
  // text of kernels may give a constant its name: `const SPILL_BYTES: usize = ${SPILL_BYTES};`
  const again = new RegExp(`^ *(?:export )?const (?:${names.join("|")})\\b[^=\\n]*=(?! \\$)`, "m");
  expect(others.flatMap(({ path, text }) => again.exec(text)?.[0].concat(" in ", path) ?? [])).toEqual([]);
});

/** How each fact is written, and the file that has it. */
const facts: readonly (readonly [fact: string, written: RegExp, home: string])[] = [
  ["modules", /\["train", "infer"\]/, "manifest.ts"],
  ["the manifest's version", /MANIFEST_VERSION = \d/, "manifest.ts"],
  ["entries", /"train", "evaluate", "prefill", "decode", "generate"\]/, "entries.ts"],
  ["the entry of a second segment", /_output`/, "entries.ts"],
  ["targets", /"simd", "relaxed", "wide"\]/, "targets.ts"],
  ["schedules", /"cosine", "linear", "constant", "wsd"\]/, "model.ts"],
  ["activations", /\["relu", "relu2",/, "model.ts"],
  ["how a memory is shared", /unshared: 1|shared \? 3 : 1\b/, "memory-import.ts"],
  ["how many workers there may be", /MAX_WORKERS = \d|"workers", 1, 64\b/, "control.ts"],
  ["an index in the control block", /(?:control\.\w+|field) \/ 4\b/, "control.ts"],
  ["the sampler's defaults", /temperature: 0\.8/, "defaults.ts"],
  ["most of a beta", /0\.999999\b/, "limits.ts"],
  ["most steps", /1_000_000_000/, "limits.ts"],
  ["the embeddings' names", /= "(?:token|position)_embedding\.weight"/, "parameter-names.ts"],
  ["a layer's number in a name", /layers\\\.(?:\\d|\/, `)/, "parameter-names.ts"],
  ["scales of a superblock", /SUPERBLOCK_GROUPS = \d/, "weight-rows.ts"],
  ["decoding f16", /exponent - 25/, "number-formats.ts"],
];

test.each(facts)("%s", (_, written, home) => {
  expect(readFileSync(inProject(`runtime/contract/${home}`), "utf8")).toMatch(written);
  const found = files.filter(({ text }) => written.test(text)).map(({ path }) => path);
  expect(found.map((path) => basename(path))).toEqual([home]);
});
