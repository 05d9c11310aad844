/**
 * Documents tell the truth: their commands are run, in a folder that looks like the checkout, so that what
 * they write does not stay. Blocks of one document run in order and see each other's files. How blocks are
 * marked: readme-blocks.ts. Here those that take seconds, and the training shortened; all of README, as it
 * stands: `npm run test:long -- tour`. `npm test` would run this test again, and is left out.
 */
import { globSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitMeanings } from "../runtime/base/errors.ts";
import { campaigns } from "./long/campaigns.ts";
import { runPatiently } from "./support/patient.ts";
import { root } from "./support/paths.ts";
import { codeBlocks, likeness, readersEnvironment, strayCommands } from "./support/readme-blocks.ts";

test("blocks are found with what is said of them, npm ci is left out", () => {
  const block = (mark: string, command: string): string => `${mark}\`\`\`sh\n${command}\n\`\`\`\n`;
  const text = [
    "a\n",
    block("<!-- test exit 1 -->\n", "npm ci && npx sinter check x"),
    block("", "not here"),
    block("<!-- test -->\n\n", "one\ntwo"),
    block("<!-- test exit 2 with --less -->\n", "three"),
    block("<!-- tour stdin: a\\nb -->\n", "cat"),
    block("<!-- tour server -->\n", "serve"),
    block("<!-- not in the tour: long -->\n", "no"),
  ].join("");
  expect(codeBlocks(text).map((b) => [b.line, b.command, b.added, b.exit, b.when, b.stdin])).toEqual([
    [2, "npx sinter check x", "", 1, "quick", ""],
    [6, "not here", "", 0, "tour", ""],
    [9, "one\ntwo", "", 0, "quick", ""],
    [15, "three", "--less", 2, "quick", ""],
    [19, "cat", "", 0, "tour", "a\nb"],
    [23, "serve", "", 0, "server", ""],
    [27, "no", "", 0, "never", ""],
  ]);
  expect(() => codeBlocks("<!-- tset -->\n```sh\nx\n```\n")).toThrow(/means nothing/);
});

const documents = globSync(["*.md", "{compiler,runtime,bench,specs,generated}/**/*.md"], {
  cwd: root,
  exclude: (name) => name === "node_modules",
})
  .sort()
  .map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }))
  .map(({ name, text }) => ({ name, text, blocks: codeBlocks(text).filter((b) => b.when === "quick") }));

test("README has no command outside of a block that is run", () => {
  expect(strayCommands("x\n\n    npx sinter check a\n")).toEqual(["    npx sinter check a"]);
  expect(strayCommands(documents.find((d) => d.name === "README.md")!.text)).toEqual([]);
});

/** README with every run of blanks and line ends as one blank: where its lines end says nothing. */
const readme = documents.find((d) => d.name === "README.md")!.text.replaceAll(/\s+/g, " ");

test("README's exit codes are those of the program", () => {
  const rows = exitMeanings.map(({ code, means }) => `- \`${code}\`: ${means} `);
  expect(readme).toContain(rows.join(""));
});

test("README names every long campaign", () => {
  for (const { name } of campaigns) expect(readme).toContain(` - \`${name}\`: `);
});

describe.each(documents.filter((d) => d.blocks.length > 0))("$name", ({ name, blocks }) => {
  let folder = "";
  beforeAll(() => {
    folder = likeness();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  test("its commands do what it says", { timeout: 0 }, async () => {
    // runPatiently ends what does not get on
    for (const { line, command: shown, added, exit, stdin } of blocks) {
      const command = `${shown} ${added}`.trimEnd();
      const outcome = await runPatiently(command, { cwd: folder, env: readersEnvironment(), stdin });
      const stalled = outcome.stalled ? "\nit did not get on and was ended" : "";
      expect(outcome.exit, `${name}:${line}  ${command}\n${outcome.output.slice(-2000)}${stalled}`).toBe(
        exit,
      );
    }
  });
});
