/** The golden file of everything that the packages export: a change of it is a change for its users. */
import { expect, test } from "vitest";
import { apiText, entriesOf, parseDeclarations } from "../support/api.ts";
import { golden } from "../support/golden.ts";
import { inProject, root } from "../support/paths.ts";

test("declarations of the packages' entries", () => {
  const entries = entriesOf(root);
  expect([...entries.keys()]).toEqual([
    "sinter",
    "sinter/language",
    "sinter/runtime",
    "sinter/runtime/node",
    "sinter/runtime/browser",
    "sinter/vite",
    "@sinter/runtime",
    "@sinter/runtime/node",
    "@sinter/runtime/browser",
    "@sinter/runtime/browser/element",
  ]);
  const text = apiText(root, entries);
  for (const name of entries.keys()) expect(text).toContain(`# ${name}\n\nexport `);
  golden(inProject("test/api/declarations.txt"), text);
});

test("a declaration file is read: what is its own, what comes from elsewhere, what it passes on", () => {
  const text = `import type { A, B as C } from "./a.ts";
import { D } from "package";
export { type E, F } from "../f.ts";
export interface G {
    readonly a: A;
}
declare const h: import("./i.ts").I;
export declare function j(x: number): C;
export declare function j(x: string): C;
`;
  const { own, foreign, passedOn } = parseDeclarations("/x/y/z.d.ts", text);
  expect([...own]).toEqual([
    ["G", "export interface G {\n    readonly a: A;\n}"],
    ["h", "declare const h: I;"],
    ["j", "export declare function j(x: number): C;\nexport declare function j(x: string): C;"],
  ]);
  expect([...foreign].map(([as, { file, name }]) => [as, file, name])).toEqual([
    ["A", "/x/y/a.d.ts", "A"],
    ["C", "/x/y/a.d.ts", "B"],
    ["E", "/x/f.d.ts", "E"],
    ["F", "/x/f.d.ts", "F"],
    ["I", "/x/y/i.d.ts", "I"],
  ]);
  expect(passedOn).toEqual(["E", "F"]);
});
