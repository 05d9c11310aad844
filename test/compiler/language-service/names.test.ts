/** Definitions, uses and renaming. */
import { describe, expect, test } from "vitest";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import { applied } from "../../../compiler/language-service/edits.ts";
import type { Span } from "../../../compiler/language-service/language-service.ts";
import { marked } from "../../support/marked.ts";

const body = "embed token  layer { x += mlp(layernorm(x)) }  output linear(x)";

const family = `model a {
  context 16  width 8  layers 1  heads 2
  let inner = 3 * width
  embed token
  layer {
    h = layernorm(x)
    x += mlp(h, hidden: inner)
    h = layernorm(x)
    x += mlp(h)
  }
  output linear(x)
  objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))
  prefer { objective mine }
}
model b like a { let inner = 2 * width }
model c like b { width 16 }
`;

/** The family with "‸" before the n-th place of a piece of text. */
function at(piece: string, n = 1, text = family): { text: string; at: number } {
  let found = -1;
  for (let i = 0; i < n; i++) found = text.indexOf(piece, found + 1);
  if (found < 0) throw new Error(`${piece} is not there ${n} times`);
  return { text, at: found };
}

const planned = `${family}plan p of a on h100 { devices 2 * inner }\n`;

const lineOf = (text: string, { start }: Span): number => text.slice(0, start).split("\n").length;

describe("definition", () => {
  const line = (piece: string, n = 1): number | undefined => {
    const { text, at: place } = at(piece, n);
    const span = analyse(text).definition(place);
    return span && lineOf(text, span);
  };
  test("a let, a setting, a value as it was last set, a model, an objective", () => {
    expect(line("inner)")).toBe(3);
    expect(line("width\n")).toBe(2);
    expect(line("h, hidden")).toBe(6);
    expect(line("h)")).toBe(8);
    expect(line("a { let")).toBe(1);
    expect(line("mine }")).toBe(12);
  });
  test("a device of the text's own, in plans and in devices that are like it", () => {
    const text = `${family}hardware card like h100 { power 500 }
hardware slow like card { power 300 }
plan p of a on card { }
plan q like p on slow { }
`;
    const place = text.indexOf("on card") + 3;
    expect(lineOf(text, analyse(text).definition(place)!)).toBe(17);
    expect(analyse(text).references(place, true).length).toBe(3);
    const renamed = analyse(text).rename(place, "my-card.2");
    if ("refused" in renamed) throw new Error(renamed.refused);
    const after = applied(text, renamed.edits);
    expect(after).toContain("hardware my-card.2 like h100");
    expect(after).toContain("like my-card.2 {");
    expect(after).toContain("plan p of a on my-card.2");
    expect(analyse(text).rename(place, "slow")).toMatchObject({ refused: expect.stringContaining("slow") });
    // the table's have no place
    expect(analyse(text).definition(text.indexOf("h100"))).toBeUndefined();
  });
  test("the model of a plan", () => {
    const { text, at: place } = at("of a on", 1, planned);
    expect(lineOf(text, analyse(text).definition(place + 3)!)).toBe(1);
    const renamed = analyse(text).rename(place + 3, "alpha-1");
    if ("refused" in renamed) throw new Error(renamed.refused);
    const after = applied(text, renamed.edits);
    expect(after).toContain("plan p of alpha-1 on h100");
    expect(after).toContain("model b like alpha-1");
    expect(analyse(text).references(at("inner }", 1, planned).at, true).length).toBe(4);
  });
  test("an x that comes from outside leads to the equations", () => {
    expect(line("x)\n    x += mlp(h, ")).toBe(5);
    expect(line("x)\n    x += mlp(h)")).toBe(7);
  });
  test("words of the language and names that mean nothing have none", () => {
    expect(line("token")).toBeUndefined();
    expect(line("embed")).toBeUndefined();
    expect(line("beta")).toBeUndefined();
  });
  test("at the end of a name as at its beginning", () => {
    const { text, at: place } = at("inner)");
    const found = analyse(text).definition(place + "inner".length);
    expect(found && lineOf(text, found)).toBe(3);
  });
});

describe("references", () => {
  const lines = (piece: string, withDefinition: boolean): number[] => {
    const { text, at: place } = at(piece);
    return analyse(text)
      .references(place, withDefinition)
      .map((span) => lineOf(text, span));
  };
  test("in all models that inherit the name", () => {
    expect(lines("inner", true)).toEqual([3, 7, 15]);
    expect(lines("inner", false)).toEqual([7]);
    expect(lines("width 8", true)).toEqual([2, 3, 15, 16]);
    expect(lines("a {", true)).toEqual([1, 15]);
    expect(lines("h =", true)).toEqual([6, 7, 8, 9]);
  });
  test("highlights stay in the model", () => {
    const { text, at: place } = at("inner");
    expect(
      analyse(text)
        .highlights(place)
        .map((s) => lineOf(text, s)),
    ).toEqual([3, 7]);
  });
});

describe("rename", () => {
  const renamed = (piece: string, name: string, text = family): string => {
    const result = analyse(text).rename(text.indexOf(piece), name);
    return "refused" in result ? `refused: ${result.refused}` : applied(text, result.edits);
  };
  test("everywhere, and nowhere else", () => {
    expect(renamed("inner", "middle")).toBe(family.replaceAll("inner", "middle"));
    expect(renamed("h =", "normed")).toBe(family.replaceAll(/\bh\b/g, "normed"));
    expect(renamed("a {\n", "llama-3.1")).toBe(
      family.replace("model a", "model llama-3.1").replace("like a", "like llama-3.1"),
    );
    expect(renamed("mine =", "ours")).toBe(family.replaceAll("mine", "ours"));
  });
  test.each([
    ["inner", "width", "`width` is a setting and cannot be named again"],
    ["inner", "mlp", "`mlp` is a part and cannot be named again"],
    ["inner", "x", "`x` is the value of the equations and cannot be named again"],
    ["inner", "h", "`h` is a let and cannot be named again"],
    ["inner", "layer", "`layer` is a word of the language"],
    ["inner", "3d", "`3d` is no name: it begins with a letter, then letters, digits and `_` follow"],
    ["inner", "a-b", "`a-b` is no name: it begins with a letter, then letters, digits and `_` follow"],
    ["h =", "x", "`x` means something else already where `h` is used"],
    ["h =", "inner", "`inner` is a let and cannot be named again"],
    ["a {\n", "b", "there are two models called `b`"],
    ["mine =", "dpo", "`dpo` is an objective that is there already"],
    ["width", "breadth", "there is no name here that could be changed"],
  ])("%s cannot become %s", (piece, name, why) => {
    expect(renamed(piece, name)).toBe(`refused: ${why}`);
  });
  test("a let that would take a section's name is refused, and so is one that a descendant has", () => {
    const text = `model a { context 16 width 8 layers 1 heads 2 let n = 4 ${body}
  train { steps 40 * n  warmup steps / 10 } }
model b like a { let m = 3 }`;
    expect(renamed("n = 4", "steps", text)).toMatch(/^refused: /);
    expect(renamed("n = 4", "m", text)).toMatch(/^refused: /);
    expect(renamed("n = 4", "k", text)).toBe(text.replace("let n", "let k").replace("* n", "* k"));
  });
  test("in a text with mistakes, what is there already hinders nobody", () => {
    const text = family.replace("heads 2", "heads 3");
    expect(renamed("inner", "middle", text)).toBe(text.replaceAll("inner", "middle"));
  });
  test("renameRange is the name itself", () => {
    const { text, at: place } = marked(family.replace("hidden: inner", "hidden: in‸ner"));
    expect(analyse(text).renameRange(place)).toEqual({
      span: { start: place - 2, end: place + 3 },
      name: "inner",
    });
    expect(analyse(text).renameRange(text.indexOf("x +="))).toBeUndefined();
  });
});
