/** What the Dockerfile copies is all that the server needs, and what it starts is a command of ours. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { inProject } from "../../support/paths.ts";

const image = mkdtempSync(join(tmpdir(), "sinter-image-"));
afterAll(() => rmSync(image, { recursive: true, force: true }));

const instructions = (name: string): string[] =>
  [...readFileSync(inProject("Dockerfile"), "utf8").matchAll(new RegExp(`^${name} (.*)$`, "gm"))].map(
    ([, rest]) => rest!,
  );

test("the files that are copied can serve", () => {
  const left = readFileSync(inProject(".dockerignore"), "utf8").trim().split("\n");
  const isCopied = (path: string): boolean =>
    !left.some((line) => path === inProject(line) || `**/${basename(path)}` === line);
  for (const copy of instructions("COPY")) {
    const paths = copy.split(" ");
    const to = join(image, paths.pop()!);
    for (const path of paths)
      cpSync(inProject(path), paths.length > 1 ? join(to, path) : to, { recursive: true, filter: isCopied });
  }
  symlinkSync(inProject("node_modules"), join(image, "node_modules"));
  const [, program] = JSON.parse(instructions("ENTRYPOINT")[0]!) as string[];
  const command = JSON.parse(instructions("CMD")[0]!) as string[];
  expect([program, command[0]]).toEqual(["/sinter/sinter.js", "serve"]);
  const help = execFileSync(process.execPath, [join(image, "sinter.js"), "serve", "--help"], {
    encoding: "utf8",
  });
  for (const flag of command.filter((word) => word.startsWith("--"))) expect(help).toContain(flag);
});
