/**
 * Help texts: every verb has one that fits the terminal and shows an example; the overview names them all.
 */
import { describe, expect, test } from "vitest";
import { main } from "../../../app/cli/main.ts";
import { reflow } from "../../../app/cli/terminal/reflow.ts";
import { verbs } from "../../../app/cli/verbs/index.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";

async function said(
  columns: number,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string }> {
  let out = "";
  const code = await main(args, {
    out: (text) => void (out += text),
    err: () => {},
    tty: false,
    columns,
    cwd: "/",
  });
  return { code, out };
}

test("paragraphs take the width they get; examples stay as they are", () => {
  expect(reflow("one two three\nfour five\n\n  an example that is longer than this\n", 12)).toBe(
    "one two\nthree four\nfive\n\n  an example that is longer than this\n",
  );
  expect(reflow("averyveryverylongword and\n", 10)).toBe("averyveryverylongword\nand\n");
});

describe.each(verbs)("sinter $name --help", ({ name }) => {
  test.each([80, 100])("at %d columns", async (columns) => {
    const { code, out } = await said(columns, name, "--help");
    expect(code).toBe(exitCodes.ok);
    expect(out).toMatch(new RegExp(`^Usage: sinter ${name} `));
    if (name !== "doctor") expect(out).toMatch(new RegExp(`\\nexamples?:\\n(?:.*\\n)*? {2}.*sinter ${name}`));
    const paragraphs = out.split("\n").filter((line) => /^\S/.test(line));
    for (const line of paragraphs) expect(line.length, line).toBeLessThanOrEqual(columns);
  });
});

test("the overview names every verb, a way to begin, and the exit codes", async () => {
  const { out } = await said(100, "--help");
  for (const { name, summary } of verbs) expect(out).toMatch(new RegExp(`^ {4}${name} +${summary}$`, "m"));
  for (const code of Object.values(exitCodes)) expect(out).toMatch(new RegExp(`\\b${code} \\w`));
  const first = [...out.matchAll(/^ {4}sinter (\w+)/gm)].map((m) => m[1]!);
  expect(first).toEqual(["init", "check", "train", "sample"]);
  expect(verbs.map((v) => v.name)).toEqual(expect.arrayContaining(first));
});
