/**
 * Every spec of the repository trains as its first lines say. A line "Train…: sinter train …" is run as it
 * stands, for two steps, and so are the file's other models, smaller; one with --tokenizer DIR ends, without
 * it, in a message that names it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkSource } from "../../compiler/2-check/check.ts";
import { main } from "../../app/cli/main.ts";
import { exitCodes } from "../../runtime/base/errors.ts";
import { tokenizerFiles } from "../../runtime/tokenizers/tokenizer-files.ts";
import { root } from "../support/paths.ts";
import { specs } from "../support/sources.ts";

const out = mkdtempSync(join(tmpdir(), "sinter-specs-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const SHORT = [
  "--steps",
  "2",
  "--target",
  "simd",
  "--workers",
  "1",
  "--set",
  "train.batch=1",
  "--set",
  "layers=1",
  "--set",
  "train.context=8",
];
/** Of the embedding: more takes minutes, the closing evaluation above all. */
const MOST_PARAMETERS = 1_000_000;

async function train(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let said = "";
  let err = "";
  const io = {
    out: (text: string) => void (said += text),
    err: (text: string) => void (err += text),
    tty: false,
    columns: 100,
    cwd: root,
  };
  return {
    code: await main(["train", ...args, "--out", join(out, `${Math.random()}`.slice(2))], io),
    out: said,
    err,
  };
}

/**
 * In place of a text that is not part of the project: lines of small letters, which every vocabulary of
 * characters has.
 */
const words = join(out, "words.txt");
beforeAll(() => writeFileSync(words, "anna\nbert\nclara\ndavid\nemma\nfinn\n".repeat(100)));
const withText = (command: readonly string[]): string[] =>
  command.map((word, i) => (command[i - 1] === "--data" ? words : word));

const head = (text: string): string => text.slice(0, text.search(/^model /m));
const commandOf = (text: string): string[] | undefined =>
  /^\/\/ Train[^:\n]*: sinter train (.*)$/m.exec(head(text))?.[1]!.trim().split(/\s+/);

test.each(specs)("$file says how it is trained, or that it is not", ({ file, text }) => {
  const command = commandOf(text);
  const wanted =
    `a line before the model is missing: "// Train: sinter train ${file}", ` +
    'or "// Not to be trained, …" with the reason';
  if (command === undefined) expect(head(text), wanted).toMatch(/^\/\/ Not to be trained/m);
  else expect(command[0]).toBe(file);
});

const ready = specs.filter(
  ({ text }) => commandOf(text) !== undefined && !commandOf(text)!.includes("--tokenizer"),
);
const needing = specs.filter(({ text }) => commandOf(text)?.includes("--tokenizer"));

test("most of them need nothing but the built-in text", () => {
  expect(ready.length).toBeGreaterThan(9);
  expect(needing.length).toBeGreaterThan(3);
});

test.each(ready)("$file trains by its own line", async ({ text }) => {
  expect(await train([...withText(commandOf(text)!), ...SHORT])).toMatchObject({
    code: exitCodes.ok,
    out: expect.stringMatching(/step 2\/2 {2}loss/) as unknown,
  });
});

const others = ready
  .flatMap(({ file, text }) =>
    checkSource(text)
      .models.filter((m) => ["bytes", "characters"].includes(m.tokenizer))
      .map((model) => ({ file, model: model.name, sizes: model.sizes, command: commandOf(text)! })),
  )
  .filter(({ sizes }) => sizes.vocab * sizes.width < MOST_PARAMETERS);

test.each(others)("$model of $file trains", async ({ file, model, command }) => {
  const settings = withText(command)
    .slice(1)
    .filter((word, i, all) => word !== "--model" && all[i - 1] !== "--model");
  expect(await train([file, "--model", model, ...settings, ...SHORT])).toMatchObject({ code: exitCodes.ok });
});

test.each(needing)(
  "$file names the tokenizer's files, and so does the error without them",
  async ({ file, text }) => {
    const [model] = checkSource(text).models;
    const { code, err } = await train([file]);
    expect(code).toBe(exitCodes.input);
    expect(err).toMatch(new RegExp(`the ${model!.tokenizer} tokenizer needs .*\nhelp: .*--tokenizer DIR`));
    for (const { needs } of tokenizerFiles[model!.tokenizer as keyof typeof tokenizerFiles])
      for (const name of needs) {
        expect(err, `${basename(file)}: the error`).toContain(name);
        expect(head(text), `${basename(file)}: its first lines`).toContain(name);
      }
  },
);
