/**
 * The house's floor plan. A folder is a room, and what stands in it may import from its own room and from the
 * rooms above it in this list, so that every arrow goes down to what was built before. Two rules come on top:
 * of the runtime, the compiler takes the contract alone; and what a page runs too asks nothing of Node.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { inProject } from "./support/paths.ts";

/** From the ground up. */
const rooms = [
  // bundle → numbers
  "runtime/contract",
  "runtime/base",
  "runtime/engine",
  "runtime/tokenizers/base",
  "runtime/tokenizers/bpe",
  "runtime/tokenizers/plain",
  "runtime/tokenizers/chat",
  "runtime/tokenizers/keys",
  "runtime/tokenizers/json",
  "runtime/tokenizers/beside",
  "runtime/tokenizers/published",
  "runtime/tokenizers",
  "runtime/sample",
  "runtime/look",
  "runtime/train/examples",
  "runtime/train/sources",
  "runtime/train/rewards",
  "runtime/train",
  "runtime/train/rl",
  "runtime/report",
  "runtime/report/compare",
  "runtime/store",
  "runtime/formats/keys",
  "runtime/formats/kit",
  "runtime/formats/architecture",
  "runtime/formats/gguf",
  "runtime/formats/huggingface",
  "runtime/formats",
  "runtime",
  "runtime/browser",
  "runtime/node",
  // spec → bundle
  "compiler/diagnostics/messages",
  "compiler/diagnostics",
  "compiler/1-parse",
  "compiler/ops/kit",
  "compiler/planner/tables",
  "compiler/2-check",
  "compiler/ops/elementwise",
  "compiler/ops/norm",
  "compiler/ops/loss",
  "compiler/ops/objective",
  "compiler/ops/optimizer",
  "compiler/ops/matmul/gemm",
  "compiler/ops/matmul/quantised",
  "compiler/ops/matmul",
  "compiler/ops/embedding",
  "compiler/ops/attention/kit",
  "compiler/ops/attention",
  "compiler/ops/experts",
  "compiler/ops/sampling/kit",
  "compiler/ops/sampling",
  "compiler/ops",
  "compiler/3-graph",
  "compiler/4-grad",
  "compiler/5-fuse",
  "compiler/6-tile",
  "compiler/7-place",
  "compiler/8-emit",
  "compiler/9-bundle",
  "compiler",
  "compiler/planner",
  "compiler/torch",
  "compiler/language-service",
  "compiler/drawing",
  // how fast it is
  "bench/peers",
  "bench/measure",
  "bench/suite",
  "bench/report",
  "bench/studies/cores",
  // what people start
  "app/server/pool",
  "app/server/api",
  "app/server",
  "app/playground/site",
  "app/watch",
  "app/teaching",
  "app/cli/terminal",
  "app/cli/options",
  "app/cli/help",
  "app/cli/runs",
  "app/cli/train",
  "app/editor/lsp",
  "app/cli/report",
  "app/cli/verbs",
  "app/cli",
  "app/editor/grammar",
  "app/editor/vscode",
  "app/studies/planner",
  "app/vite",
  "app/playground",
  "app/studies/posttraining",
  "app/studies/pronouns",
  "app/studies",
  "app/package",
  "test",
] as const;

const floors = new Map<string, number>(rooms.map((room, floor) => [room, floor]));

/**
 * Tests stand above everything; each may use all of it. The page is one room: its frame knows all panels, and
 * each panel knows the frame.
 */
const roomOf = (file: string): string =>
  file.startsWith("test/")
    ? "test"
    : /^app\/playground\/(?!site\/)/.test(file)
      ? "app/playground"
      : dirname(file);

const sources = ["runtime", "compiler", "bench", "app", "test"].flatMap((top) =>
  readdirSync(inProject(top), { recursive: true, encoding: "utf8" })
    .map((file) => `${top}/${file.replaceAll("\\", "/")}`)
    // examples are programs of their own, that import packages
    .filter((file) => file.endsWith(".ts") && !/\/(?:node_modules|dist|examples)\//.test(file)),
);

const specifier = /(?:\bfrom\s+|\bimport\(|^import\s+)"([^"]+)"/gm;

/** What a file imports, in any of the ways there are; files of ours as paths from the project's root. */
function importsOf(file: string, text: string): string[] {
  const found = [...text.matchAll(specifier)].map((match) => match[1]!);
  return found.map((name) => (name.startsWith(".") ? join(dirname(file), name).replaceAll("\\", "/") : name));
}

/** What is wrong with an import; undefined: nothing. */
export function violation(file: string, target: string): string | undefined {
  const [from, to] = [roomOf(file), roomOf(target)];
  if (target.startsWith("node:"))
    return /^(?:compiler|runtime)\b/.test(from) && from !== "runtime/node"
      ? `${file} may not import ${target}: pages run it too`
      : undefined;
  const [floor, below] = [floors.get(from), floors.get(to)];
  if (floor === undefined) return `${file}: the room ${from} is not in the floor plan`;
  if (below === undefined) return undefined; // a package, or a file that is no room's
  if (below > floor) return `${file} may not import ${target}: ${to} stands above ${from}`;
  return from.startsWith("compiler") && to.startsWith("runtime") && to !== "runtime/contract"
    ? `${file} may not import ${target}: of the runtime, the compiler takes the contract alone`
    : undefined;
}

test("the rule tells up from down", () => {
  expect(violation("compiler/3-graph/ir.ts", "compiler/7-place/arena.ts")).toContain("stands above");
  expect(violation("compiler/7-place/arena.ts", "compiler/3-graph/ir.ts")).toBeUndefined();
  expect(violation("runtime/engine/model.ts", "compiler/compile.ts")).toContain("stands above");
  expect(violation("compiler/compile.ts", "runtime/engine/model.ts")).toContain("the contract alone");
  expect(violation("compiler/compile.ts", "runtime/contract/model.ts")).toBeUndefined();
  expect(violation("runtime/store/log.ts", "node:fs")).toContain("pages run it too");
  expect(violation("runtime/cellar/log.ts", "runtime/base/bytes.ts")).toContain("not in the floor plan");
  const text =
    `import { a } from "./a.ts";\nimport "./b.ts";\nexport type {\n  C,\n} from "../c.ts";\nawait ` +
    `import("./d.ts");`;
  expect(importsOf("compiler/ops/x.ts", text)).toEqual([
    "compiler/ops/a.ts",
    "compiler/ops/b.ts",
    "compiler/c.ts",
    "compiler/ops/d.ts",
  ]);
});

test("every import goes down", () => {
  const arrows = sources.flatMap((file) =>
    importsOf(file, readFileSync(inProject(file), "utf8")).map((target) => [file, target] as const),
  );
  expect(arrows.length).toBeGreaterThan(1000);
  expect(arrows.map(([file, target]) => violation(file, target)).filter((v) => v !== undefined)).toEqual([]);
});

/** Undefined: the file belongs to no panel. */
const panelOf = (file: string): string | undefined => /^app\/playground\/panels\/([\w-]+)/.exec(file)?.[1];

test("panels of the page know nothing of each other", () => {
  const between = sources.flatMap((file) =>
    importsOf(file, readFileSync(inProject(file), "utf8"))
      .filter((target) => panelOf(file) && panelOf(target) && panelOf(file) !== panelOf(target))
      .map((target) => `${file} imports ${target}`),
  );
  expect(between).toEqual([]);
});

test("every room of the plan is there", () => {
  expect(rooms.filter((room) => !existsSync(inProject(room)))).toEqual([]);
});

/** The compiler's core runs in a page too: what it needs of the world comes in as arguments. */
const impure = /\bDate\.now\(|\bnew Date\b|\bMath\.random\(|\bprocess\.\w|\bperformance\.now\(/;
test("the compiler is pure: no clock, no chance, no environment", () => {
  const compiler = sources.filter((file) => file.startsWith("compiler/"));
  expect(
    compiler.flatMap((file) => {
      const found = impure.exec(readFileSync(inProject(file), "utf8"))?.[0];
      return found ? [`${file}: ${found}`] : [];
    }),
  ).toEqual([]);
});
