/**
 * The table of messages: its examples do what they say, and every code has a sample with its golden
 * rendering.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { CheckOptions } from "../../../compiler/2-check/check.ts";
import { codes, messages, type Code } from "../../../compiler/diagnostics/messages.ts";
import { checkWithPlans } from "../../../compiler/planner/judge-plans.ts";
import { renderAll } from "../../../compiler/diagnostics/render.ts";
import { golden } from "../../support/golden.ts";
import { root } from "../../support/paths.ts";
import { whole } from "../../support/sources.ts";

const codesOf = (text: string): string[] => checkWithPlans(text).diagnostics.map((d) => d.code);
const examples = (code: Code): { wrong?: string; right?: string } => messages[code];

describe("examples of `explain`", () => {
  test.each(codes.filter((c) => examples(c).wrong !== undefined))(
    "%s: the wrong example causes it",
    (code) => {
      expect(codesOf(whole(examples(code).wrong!))).toContain(code);
    },
  );
  test.each(codes.filter((c) => examples(c).right !== undefined))(
    "%s: the right example is right",
    (code) => {
      expect(codesOf(whole(examples(code).right!))).toEqual([]);
    },
  );
  test.each(codes.filter((c) => examples(c).right !== undefined))("%s: has a wrong example, too", (code) => {
    expect(examples(code).wrong).toBeDefined();
  });
});

/** A sample's first line may carry what was said on the command line: "// --set width=100 --model m". */
function optionsOf(text: string): CheckOptions {
  const said = /^\/\/ (--.*)$/m.exec(text.split("\n")[0]!)?.[1] ?? "";
  const set = Object.fromEntries([...said.matchAll(/--set ([^=\s]+)=(\S*)/g)].map((m) => [m[1]!, m[2]!]));
  const model = /--model (\S+)/.exec(said)?.[1];
  return { set, ...(model === undefined ? {} : { model }) };
}

/** Samples that are too large to keep. */
const generated: Readonly<Record<string, string>> = {
  E0105: `model deep { width ${"(".repeat(70)}8${")".repeat(70)} }\n`,
  E0107: `// ${"long ".repeat(210_000)}\n`,
};

describe("samples", () => {
  const folder = `${root}/test/compiler/diagnostics/samples`;
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".sinter"))
    .map((name) => name.slice(0, -".sinter".length));
  const names = [...files, ...Object.keys(generated)].sort();

  test("every code has one", () => {
    expect(codes.filter((code) => !names.some((name) => name.startsWith(code)))).toEqual([]);
  });
  test.each(names)("%s", (name) => {
    const text = generated[name] ?? readFileSync(`${folder}/${name}.sinter`, "utf8");
    const { diagnostics } = checkWithPlans(text, optionsOf(text));
    expect(diagnostics.map((d) => d.code)).toContain(name.slice(0, 5));
    golden(`${folder}/${name}.txt`, renderAll(diagnostics, { name: `${name}.sinter`, text }));
  });
});
