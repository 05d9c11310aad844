/**
 * Both packages in an empty folder, under every release of Node that they promise: README's commands and
 * program.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect } from "vitest";
import { inProject } from "../support/paths.ts";
import { codeBlocks } from "../support/readme-blocks.ts";
import { exampleIn, packed, packageTest as test } from "./installed.ts";
import { installedIn, nodes, oldestNode, output, shell } from "./programs.ts";

const readme = readFileSync(inProject("README.md"), "utf8");

describe.each(nodes)("$name", ({ name, path }) => {
  let folder: string;
  beforeAll(async () => {
    if (packed.missing === undefined)
      folder = await installedIn(packed.folder, [packed.runtime, packed.sinter], path);
  });

  test("README's commands make a spec, train it and write a text", async () => {
    const version = await output("node --version", folder, path);
    expect(version).toMatch(name.replace("Node ", "v"));
    const block = codeBlocks(readme).find(({ command }) => command.startsWith("npm install sinter\n"))!;
    const commands = block.command.replace("npm install sinter\n", ""); // done, from the tarballs
    const said = await output(commands, folder, path);
    expect(said).toMatch(/step 200\/200 .* loss \d/);
    expect(said.split("\n").at(-2)!.length).toBeGreaterThan(20);
  });

  test("README's program trains and samples", async () => {
    writeFileSync(join(folder, "program.js"), exampleIn(readme, "program"));
    const said = await output("node program.js", folder, path);
    expect(said).toMatch(
      /^step 50 {2}loss \d\.\d+\nstep 100 .*\nstep 150 .*\nbrown fox jumps over the lazy dog\.\n$/,
    );
  });

  test("check says what is wrong, compile throws it", async () => {
    const program = `import { check, compile, SpecError } from "sinter";
const spec = "model m { width 96  heads 7 }";
console.log(check(spec).diagnostics[0].code);
try {
  await compile(spec, { name: "m.sinter" });
} catch (error) {
  console.log(error instanceof SpecError, error.message.split("\\n")[1]);
}
`;
    writeFileSync(join(folder, "wrong.js"), program);
    expect(await output("node wrong.js", folder, path)).toMatch(/^E\d{4}\ntrue {3}--> m\.sinter:1:\d+\n$/);
  });

  test("sinter bench, doctor and page are there", async () => {
    expect(await output("npx sinter bench --list", folder, path)).toContain("matmul");
    expect(await output("npx sinter page --out site", folder, path)).toMatch(/\d+ files/);
    const written = readFileSync(join(folder, "site/browser/page-model.js"), "utf8");
    expect(written).toContain('new URL("./model-worker.js", import.meta.url)');
    expect(written).not.toContain("sourceMappingURL");
  });
});

test("the runtime alone: a chat template needs @huggingface/jinja, and the error says so", async () => {
  const folder = await installedIn(packed.folder, [packed.runtime], oldestNode.path);
  expect(await output("ls node_modules", folder)).toBe("@sinter\n");
  const program = `import { byteTokenizer, SinterError } from "@sinter/runtime";
import { templateChat } from "@sinter/runtime/node";
const chat = templateChat(byteTokenizer(), "{{ messages }}");
await chat.render([{ role: "user", content: "hi" }], true)
  .catch((e) => console.log(e instanceof SinterError, e.kind, e.message, e.hint));
`;
  writeFileSync(join(folder, "chat.js"), program);
  expect(await output("node chat.js", folder)).toMatch(
    /^true input .*@huggingface\/jinja, which is not installed npm install @huggingface\/jinja/,
  );
  await output("npm install --prefer-offline --no-audit --no-fund @huggingface/jinja@0.5.11", folder);
  writeFileSync(join(folder, "chat.js"), program.replace("  .catch", "  .then(console.log)\n  .catch"));
  expect(await output("node chat.js", folder)).toContain("hi");
});

test("a Node that is too old gets one clear sentence", async () => {
  const old = "data:text/javascript,Object.defineProperty(process.versions,%22node%22,{value:%2220.20.2%22})";
  const { code, out, err } = await shell(
    `node --import '${old}' node_modules/sinter/sinter.js --version`,
    packed.user,
  );
  expect({ code, out, err }).toEqual({
    code: 2,
    out: "",
    err:
      "error: sinter needs Node 22.12 or later, and this is 20.20.2\nhelp: install a newer Node from " +
      "https://nodejs.org, or with the version manager that you use\n",
  });
});
