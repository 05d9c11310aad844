/** What can be done about a place: corrections that a help names, and what else is offered. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkWithPlans } from "../../../compiler/planner/judge-plans.ts";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import { applied } from "../../../compiler/language-service/edits.ts";
import { explanation } from "../../../compiler/language-service/explanation.ts";
import type { Action } from "../../../compiler/language-service/language-service.ts";
import { codes } from "../../../compiler/diagnostics/messages.ts";
import { inProject } from "../../support/paths.ts";
import { base, whole } from "../../support/sources.ts";

const folder = inProject("test/compiler/diagnostics/samples");
const samples = readdirSync(folder)
  .filter((name) => name.endsWith(".sinter"))
  .map((name) => ({ name, text: readFileSync(`${folder}/${name}`, "utf8") }));

const everything = (text: string): readonly Action[] => analyse(text).actions({ start: 0, end: text.length });

describe("samples", () => {
  test("every correction makes what it is for go away", () => {
    let count = 0;
    for (const { name, text } of samples) {
      for (const { title, edits, fixes } of everything(text).filter(({ kind }) => kind === "quickfix")) {
        count++;
        const after = checkWithPlans(applied(text, edits)).diagnostics;
        const before = checkWithPlans(text).diagnostics;
        const same = (all: typeof after): number =>
          all.filter((d) => d.code === fixes!.code && d.text === fixes!.text).length;
        expect(same(after), `${name}: ${title}`).toBeLessThan(same(before));
      }
    }
    expect(count).toBeGreaterThanOrEqual(50);
  });
  test("every help that asks whether another word was meant offers it", () => {
    for (const { name, text } of samples)
      for (const { help, fixes } of checkWithPlans(text).diagnostics) {
        const meant = /^did you mean `(.*)`\?$/.exec(help ?? "")?.[1];
        if (meant !== undefined)
          expect(fixes, name).toMatchObject([{ kind: "replace", text: expect.stringContaining(meant) }]);
      }
  });
});

/** The titles of the corrections of a model that is wrong in one place, and the text after the first. */
function corrected(fragment: string): { titles: string[]; after: string } {
  const text = whole(fragment);
  const found = everything(text).filter(({ kind }) => kind === "quickfix");
  const after = found[0] ? applied(text, found[0].edits) : text;
  return { titles: found.map(({ title }) => title), after: after.slice(base.length) };
}

describe("corrections", () => {
  test.each<[string, readonly string[], string]>([
    ["width 96\nheads 7", ["write `6`", "write `8`"], "width 96\nheads 6"],
    ["n_layer 12", ["write `layers`"], "layers 12"],
    ["width = 8", ["remove `=`"], "width  8"],
    ["width 8;", ["remove `;`"], "width 8"],
    ["width 2 × 4", ["write `*`"], "width 2 * 4"],
    ["width 8k", ["write `8_000`"], "width 8_000"],
    ["context 16\nwidth 8\nwidth 8", ["leave out `width 8`"], "context 16\nwidth 8"],
    [
      "layer {\n  h = layernorm(x)\n  x += mlp(x)\n}",
      ["leave out `h = layernorm(x)`"],
      "layer {\n  x += mlp(x)\n}",
    ],
    ["prefer { objective dpo  gamma 0.5 }", ["leave out `gamma 0.5`"], "prefer { objective dpo }"],
    [
      "layer { x += attention(layernorm(x), dropout: 0.1) }",
      ["leave out `dropout: 0.1`"],
      "layer { x += attention(layernorm(x)) }",
    ],
    ["width 8.5", ["write `8`", "write `9`"], "width 8"],
    ["layer { x += atention(x) }", ["write `attention`"], "layer { x += attention(x) }"],
    ["layer { x += mlp(x, hiden: 3) }", ["write `hidden`"], "layer { x += mlp(x, hidden: 3) }"],
    ["layer { x += mlp }", ["write `mlp(x)`"], "layer { x += mlp(x) }"],
    ["layer { x += mlp(x, bias true) }", ["write `: true`"], "layer { x += mlp(x, bias : true) }"],
    [
      "layer { x += attention(x, causal: false) }",
      ["leave out `causal: false`"],
      "layer { x += attention(x) }",
    ],
    [
      "layer { x += attention(x, heads: 3) }",
      ["write `heads: 2`", "write `heads: 4`"],
      "layer { x += attention(x, heads: 2) }",
    ],
    ["layer { x += mlp(layernorm(x) }", ["add `)`"], "layer { x += mlp(layernorm(x)) }"],
    ["output layernorm(x)", ["write `linear(layernorm(x))`"], "output linear(layernorm(x))"],
    ["train { context 99 }", ["write `16`"], "train { context 16 }"],
    ["head value mlp(x)", ["write `linear(x)`"], "head value linear(x)"],
    ["objective o = -logp * chosn.ratio", [], "objective o = -logp * chosn.ratio"],
    ["objective o = -sigmiod(logp)", ["write `sigmoid`"], "objective o = -sigmoid(logp)"],
    [
      "prefer { objective simpo  reference start }",
      ["write `none`"],
      "prefer { objective simpo  reference none }",
    ],
    ["expect width 9", ["write `8`"], "expect width 8"],
  ])("%s", (fragment, titles, after) => {
    const found = corrected(fragment);
    expect(found.titles).toEqual(titles);
    expect(found.after).toBe(`model m like base {\n${after}\n}\n`);
  });
  test("what is missing is added before the closing brace", () => {
    const of = (text: string, title: string): string => {
      const action = everything(text).find((a) => a.title === title)!;
      return applied(text, action.edits);
    };
    const oneLine = "model m { context 16 width 8 layers 1 heads 2 embed token output linear(x) }";
    expect(of(oneLine.replace("context 16 ", ""), "add `context 256`")).toMatch(
      /linear\(x\) context 256 \}$/,
    );
    const lines = base.replace("  embed token\n", "").replaceAll("\n", "\r\n");
    expect(of(lines, "add `embed token + position`")).toMatch(/\r\n {2}embed token \+ position\r\n\}\r\n$/);
  });
});

test("the count is written down once, and holds", () => {
  const [action, ...more] = everything(base);
  expect(more).toEqual([]);
  expect(action).toMatchObject({ title: "write `expect parameters 4_624`", kind: "refactor" });
  const text = applied(base, action!.edits);
  expect(analyse(text).models[0]!.parameters).toBe(4624);
  expect(checkWithPlans(text).summaries[0]!.expects).toMatchObject([{ fact: "parameters", result: "holds" }]);
  expect(everything(text)).toEqual([]);
});

test("every code that is there can be explained", () => {
  const text = whole("widht 8\nlayer { x += atention(x) }");
  const explained = everything(text).flatMap(({ explains }) => explains ?? []);
  expect(explained).toEqual(["E0202", "E0302"]);
  for (const code of codes) expect(explanation(code)).toContain(`**${code}**`);
});

test("only what touches the place", () => {
  const text = whole("widht 8\nlayer { x += atention(x) }");
  const at = text.indexOf("atention");
  const found = analyse(text)
    .actions({ start: at, end: at })
    .map(({ title }) => title);
  expect(found).toEqual(["write `attention`", "explain E0302"]);
});
