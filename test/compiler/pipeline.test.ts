/** Passes and stages: which run, in which order, and what a dump gets to see. */
import { expect, test } from "vitest";
import { runPasses, runStage, type Pass } from "../../compiler/pipeline.ts";

const passes: readonly Pass<string, { readonly loud: boolean }>[] = [
  { name: "double", why: "twice as much", run: (text) => text + text },
  { name: "shout", when: ({ loud }) => loud, why: "after doubling", run: (text) => text.toUpperCase() },
  { name: "keep", why: "last", run: (text) => text },
];

function dumpsOf(loud: boolean): readonly (readonly string[])[] {
  const dumps: (readonly string[])[] = [];
  runPasses("ab", passes, { loud }, (text) => `${text}\n`, { dump: (...dump) => void dumps.push(dump) });
  return dumps;
}

test("passes run in their order, those whose `when` holds; a dump says where nothing changed", () => {
  expect(dumpsOf(true)).toEqual([
    ["00-start.txt", "ab\n"],
    ["01-double.txt", "abab\n"],
    ["02-shout.txt", "ABAB\n"],
    ["03-keep.txt", "(unchanged)\n"],
  ]);
  expect(dumpsOf(false).map(([file]) => file)).toEqual(["00-start.txt", "01-double.txt", "02-keep.txt"]);
});

test("each pass is verified by its name", () => {
  const seen: string[] = [];
  const verify = (text: string, after: string): void => void seen.push(`${after}: ${text}`);
  runPasses("ab", passes, { loud: false }, String, { verify });
  expect(seen).toEqual(["start: ab", "double: abab", "keep: abab"]);
});

test("a stage's texts are made only for a dump", () => {
  let texts = 0;
  const stage = {
    why: "numbers are what comes next",
    run: (text: string, { by }: { readonly by: number }) => text.length * by,
    texts: (n: number) => (texts++, [["length.txt", `${n}`]] as const),
  };
  expect(runStage(stage, "abc", { by: 2 })).toBe(6);
  expect(texts).toBe(0);
  const dumps: string[] = [];
  runStage(stage, "abc", { by: 2 }, (file, text) => void dumps.push(`${file}: ${text}`));
  expect(dumps).toEqual(["length.txt: 6"]);
});
