/**
 * Imports go downward. compiler/3-graph may import from stages 1 to 3 and from the leaves (op, writer,
 * control, activations, ops, diagnostics); a leaf from leaves only. compile.ts and its neighbours stand above
 * the stages, cli/ above those. runtime/ takes types alone from the compiler: those of the manifest and of
 * what the manifest holds (model, target).
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const root = new URL("../", import.meta.url);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const importLine =
  /^\s*(?:import|export)\s+(type\s)?[^;"]*?from\s+"(\.{1,2}\/[^"]+)"|import\("(\.{1,2}\/[^"]+)"\)/gm;

/** Relative imports of a source text, as paths from the project's root. */
const importsOf = (file: string, text: string): Import[] =>
  [...text.matchAll(importLine)].map(([, type, target, dynamic]) => ({
    from: file,
    to: new URL((target ?? dynamic)!, `file:///${file}`).pathname.slice(1),
    typeOnly: type !== undefined,
  }));

const TOP = 10;
const COMMAND_LINE = 11;
const LEAF = 0;

/** Types of the manifest. No code of the compiler comes with them. */
const manifestTypes = ["runtime/contract/manifest.ts", "runtime/contract/model.ts", "compiler/ops/kit/op.ts"];

/** Leaves of the runtime that import nothing and say one thing in one way for both sides. */
const commonGround = ["runtime/contract/amounts.ts"];

function level(path: string): number {
  if (path === "runtime/contract/model.ts") return LEAF; // types alone: the words that all stages share
  if (path.startsWith("compiler/cli/")) return COMMAND_LINE;
  const stage = /^compiler\/(\d)-/.exec(path);
  if (stage) return Number(stage[1]);
  return /^compiler\/(compile|explain|pipeline|language)[\w-]*\.ts$/.test(path) ? TOP : LEAF;
}

export function violation({ from, to, typeOnly }: Import): string | undefined {
  if (from.startsWith("runtime/")) {
    if (to.startsWith("runtime/")) return undefined;
    return typeOnly && manifestTypes.includes(to)
      ? undefined
      : `${from} may not import ${to}: the runtime takes the manifest's types and nothing else`;
  }
  if (commonGround.includes(to)) return undefined;
  if (to.startsWith("runtime/"))
    return level(from) === COMMAND_LINE
      ? undefined
      : `${from} may not import ${to}: only the command line uses the runtime`;
  if (from === "app/cli/verbs/bench.ts" && to.startsWith("bench/")) return undefined;
  if (!to.startsWith("compiler/")) return `${from} may not import ${to}: it is outside of the compiler`;
  return level(to) > level(from)
    ? `${from} may not import ${to}: a stage knows only the stages before it`
    : undefined;
}

const sources = (folder: string): string[] =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
    .filter((f) => f.endsWith(".ts"))
    .map((f) => `${folder}${f.replaceAll("\\", "/")}`);

const allImports = [...sources("compiler/"), ...sources("runtime/")].flatMap((file) =>
  importsOf(file, readFileSync(new URL(file, root), "utf8")),
);

describe("import rules", () => {
  test("the rules tell right from wrong", () => {
    const check = (file: string, text: string) => importsOf(file, text).map(violation);
    expect(check("compiler/3-graph/ir.ts", `import { plan } from "../7-place/arena.ts";`)[0]).toContain(
      "only the stages before it",
    );
    expect(
      check(
        "compiler/3-graph/ir.ts",
        `import { ops } from "../ops/index.ts";\nimport type { Model } from "../2-check/model.ts";`,
      ),
    ).toEqual([undefined, undefined]);
    expect(
      check("compiler/ops/matmul/matmul.ts", `import {\n  parse,\n} from "../1-parse/parse.ts";`)[0],
    ).toContain("only the stages before it");
    expect(check("compiler/compile.ts", `import { parse } from "./1-parse/parse.ts";`)).toEqual([undefined]);
    expect(check("compiler/compile.ts", `import { verbs } from "./cli/verbs/index.ts";`)[0]).toContain(
      "only the stages before it",
    );
    expect(
      check("runtime/train/train.ts", `import type { Manifest } from "../compiler/9-bundle/manifest.ts";`),
    ).toEqual([undefined]);
    expect(
      check(
        "runtime/train/train.ts",
        `import { MANIFEST_VERSION } from "../compiler/9-bundle/manifest.ts";`,
      )[0],
    ).toContain("nothing else");
  });
  test("every import of compiler/ and runtime/ goes downward", () => {
    expect(allImports.length).toBeGreaterThan(100);
    expect(allImports.map(violation).filter((v) => v !== undefined)).toEqual([]);
  });
});

/**
 * The core runs in a page too: what it needs of the world comes in as arguments. `assemble.ts` alone calls a
 * compiler, which is pure itself.
 */
describe("the compiler core is pure", () => {
  const impure =
    /from "(?:node:[^"]+|fs|path|os|child_process|worker_threads)"|\bDate\.now\(|\bnew Date\b|\bMath\.random\(|\bprocess\.\w|\bperformance\.now\(/;
  test.each(sources("compiler/").filter((file) => level(file) < COMMAND_LINE))("%s", (file) => {
    expect(impure.exec(readFileSync(new URL(file, root), "utf8"))?.[0]).toBeUndefined();
  });
});
