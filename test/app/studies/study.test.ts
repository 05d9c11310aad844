/** What `npm run study` says of a command line that cannot be meant. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { exitCodes } from "../../../runtime/base/errors.ts";

const study = (...args: readonly string[]) =>
  spawnSync(process.execPath, ["app/studies/study.ts", ...args], { encoding: "utf8" });

test.each([
  ["llama-cpp", [], /^error: --gguf FILE, or --model NAME/],
  ["llama-cpp", ["--ggfu", "x"], /^error: Unknown option '--ggfu'/],
  ["formats", ["--run", "out"], /^error: --run goes with --data FILE/],
  ["rows", [], /^error: --model SPEC:NAME:WEIGHTS says what is measured/],
  ["large", [], /^error: SPEC says what is measured/],
] as const)("%s %j is told with its usage", (name, args, said) => {
  const { status, stderr, stdout } = study(name, ...args);
  expect(status).toBe(exitCodes.usage);
  expect(stderr).toMatch(said);
  expect(stderr).toContain(`\n\nusage: npm run study -- ${name} `);
  expect(stdout).toBe("");
});

test("a model that a spec does not have is told with those that it has", () => {
  const { status, stderr } = study("rows", "--model", "specs/gpt2.sinter:gpt9:q4_0");
  expect(status).toBe(exitCodes.input);
  expect(stderr).toMatch(/^error: specs\/gpt2.sinter has no model "gpt9": it has gpt2, gpt2-medium, /);
  expect(stderr).toContain("\nhelp: `sinter check specs/gpt2.sinter` says");
});

test("--help of a study is how it is asked, and what it does", () => {
  const { status, stdout } = study("busy", "--help");
  expect(status).toBe(exitCodes.ok);
  expect(stdout).toMatch(/^usage: npm run study -- busy \[--rounds 3\]/);
  expect(stdout).toContain("A machine that is not quiet");
});
