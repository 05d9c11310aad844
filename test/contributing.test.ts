/**
 * CONTRIBUTING.md is walked through, step by step, in a copy of the project: code goes where it says,
 * commands succeed, and what has come of it is well-typed, laid out and free of what the linter finds. In
 * their order: a recipe may use what the one before it has added.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPatiently } from "./support/patient.ts";
import { root } from "./support/paths.ts";
import { readersEnvironment } from "./support/readme-blocks.ts";
import { copyOf, edit, inserted, recipesOf, type Recipe } from "./support/walk.ts";

const text = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
const recipes = recipesOf(text);

test("a recipe is read: its steps, and what each does", () => {
  const sample = [
    "# Title\n\n## No recipe\n\n- a\n\n## Add a thing\n\n1. **First** of all:\n",
    "<!-- new a/b.ts -->\n```ts\nx\n```\n\n<!-- in c.ts before: z -->\n```ts\ny\n```\n\n2. **Then**\n",
    "<!-- walk -->\n```sh\nnpm test\n```\n",
  ].join("\n");
  expect(recipesOf(sample)).toEqual([
    {
      title: "Add a thing",
      steps: [
        {
          title: "First",
          actions: [
            { kind: "new", path: "a/b.ts", text: "x\n" },
            { kind: "before", path: "c.ts", beside: "z", text: "y\n" },
          ],
        },
        { title: "Then", actions: [{ kind: "walk", text: "npm test\n" }] },
      ],
    },
  ]);
  expect(() => recipesOf("## A\n1. **B**\n<!-- wlak -->\n```sh\nx\n```\n")).toThrow(/means nothing/);
});

test("a block goes beside the one line that is named, indented like it", () => {
  const place = { path: "a.ts", text: "x\n" };
  expect(inserted("a\n  b\nc\n", { ...place, kind: "before", beside: "b" })).toBe("a\n  x\n  b\nc\n");
  expect(inserted("a\n  b\nc\n", { ...place, kind: "after", beside: "a" })).toBe("a\nx\n  b\nc\n");
  expect(inserted("b = {\n  c,\n};\n", { ...place, kind: "at the end of", beside: "b" })).toBe(
    "b = {\n  c,\n  x\n};\n",
  );
  expect(inserted("a\nb\n", { ...place, kind: "instead of", beside: "a" })).toBe("x\nb\n");
  expect(() => inserted("b\nb\n", { ...place, kind: "after", beside: "b" })).toThrow(/2 lines of a.ts/);
});

test("every recipe has five steps, and one at least is run", () => {
  const words = ["operation", "fusion", "setting", "message", "format"];
  for (const word of words) expect(recipes.map(({ title }) => title).join()).toContain(word);
  for (const { title, steps } of recipes) {
    expect(steps, title).toHaveLength(5);
    expect(
      steps.some(({ actions }) => actions.some(({ kind }) => kind === "walk")),
      title,
    ).toBe(true);
  }
});

describe("the walk", () => {
  let folder = "";
  const changed = new Set<string>();
  const run = async (command: string): Promise<string> => {
    const { exit, output } = await runPatiently(command, { cwd: folder, env: readersEnvironment() });
    expect(exit, `${command}\n${output.slice(-4000)}`).toBe(0);
    return output;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sinter-contributing-"));
    copyOf(root, folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function walk({ steps }: Recipe): Promise<void> {
    for (const action of steps.flatMap(({ actions }) => actions)) {
      if (action.kind === "walk")
        for (const command of commandsOf(action.text)) checkCount(command, await run(command));
      else {
        edit(folder, action);
        changed.add(action.path);
      }
    }
  }

  /** A filter of tests that finds none would pass. */
  const checkCount = (command: string, output: string): void => {
    if (/^(?:UPDATE=1 )?npx vitest run/.test(command))
      expect(output, command).toMatch(/^[1-9]\d* passed, 0 failed/m);
  };

  test.each(recipes.map((recipe) => [recipe.title, recipe] as const))("%s", (_, recipe) => walk(recipe));

  test("what has come of it is well-typed and laid out", async () => {
    await run("npx tsc -p .");
    const sources = [...changed].filter((path) => path.endsWith(".ts")).join(" ");
    await run(`npx oxfmt --check ${sources} && npx oxlint ${sources}`);
  });

  test.each([
    ["facts stand once, and the API's golden file is right", "test/runtime/contract/once.test.ts test/api"],
    ["specs say how they are trained, and are listed", 'test/specs -t "says how it is trained|README"'],
    ["norms are those of the list", "test/compiler/2-check/check.test.ts -t norms"],
  ])("tests that the recipes do not name pass: %s", async (_, tests) => {
    const command = `npx vitest run ${tests}`;
    checkCount(command, await run(command));
  });
});

/** A line each; one that ends in "\\" goes on in the next. */
const commandsOf = (block: string): string[] =>
  block
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
