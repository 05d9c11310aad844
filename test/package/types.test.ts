/** Programs in TypeScript that use the packages, under both ways in which TypeScript finds modules. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { inProject } from "../support/paths.ts";
import { exampleIn, folderOfUser, packageTest as test } from "./installed.ts";
import { compilers, output, shell } from "./programs.ts";

const page = `import { openModel, type PageModel } from "sinter/runtime/browser";
import { sampleToken, randomStream, samplerDefaults } from "@sinter/runtime";
import { analyse, type Hover } from "sinter/language";
export const hover: Hover | undefined = analyse("model m { width 8 }").hover(10);
export const open = (): Promise<PageModel> => openModel({ bundle: "gpt2/", weights: "gpt2.gguf" });
export const id: number = sampleToken(new Float32Array(4), samplerDefaults, [], randomStream(1, "sample"));
`;

test.each(
  compilers.flatMap(([name, tsc]) =>
    [
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
    ].map(([module, moduleResolution]) => ({
      name,
      tsc,
      module: module!,
      moduleResolution: moduleResolution!,
    })),
  ),
)("$name, $moduleResolution: README's program and a page's, libraries checked too", async (how) => {
  const { tsc, module, moduleResolution } = how;
  const at = folderOfUser(`${how.name} ${moduleResolution}`);
  writeFileSync(join(at, "program.ts"), exampleIn(readFileSync(inProject("README.md"), "utf8"), "program"));
  writeFileSync(join(at, "page.ts"), page);
  const compilerOptions = {
    module,
    moduleResolution,
    target: "es2022",
    lib: ["es2024", "dom", "dom.iterable"],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    typeRoots: [inProject("node_modules/@types")],
    types: ["node"],
  };
  writeFileSync(join(at, "tsconfig.json"), JSON.stringify({ compilerOptions }));
  expect(await output(`"${tsc}" -p .`, at)).toBe("");
  writeFileSync(join(at, "wrong.ts"), 'import { compile } from "sinter";\nawait compile(7);\nexport {};\n');
  const { code, out } = await shell(`"${tsc}" -p .`, at);
  expect(code).not.toBe(0);
  expect(out).toMatch(/wrong\.ts.*TS2345/);
});
