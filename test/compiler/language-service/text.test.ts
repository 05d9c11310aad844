/** Diagnostics, layout, structure and tokens of texts, however they are written. */
import { describe, expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { layerParts, partsOf } from "../../../compiler/2-check/parameters.ts";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import { applied, difference } from "../../../compiler/language-service/edits.ts";
import type { ParameterSection } from "../../../runtime/contract/parameter-names.ts";
import { base, specs } from "../../support/sources.ts";

const shown = (text: string, { start, end }: { start: number; end: number }): string =>
  text.slice(start, end);

describe("specs", () => {
  test.each(specs)("$file: diagnostics, models and layout are those of check and fmt", ({ text }) => {
    const { diagnostics, models, format: layout } = analyse(text);
    const checked = checkSource(text);
    expect(diagnostics).toEqual(checked.diagnostics);
    expect(models.map((m) => [m.name, m.parameters])).toEqual(
      checked.summaries.map((s) => [s.name, s.parameters]),
    );
    expect(applied(text, layout())).toBe(format(text).text);
  });
});

describe("positions", () => {
  const wrong = base.replace("layers 1", "layers 0");
  test.each([
    ["emoji", wrong.replace("model", "// 😀 🎉\nmodel")],
    ["CRLF", wrong.replaceAll("\n", "\r\n")],
    ["CR", wrong.replaceAll("\n", "\r")],
    ["BOM", `\uFEFF${wrong}`],
    ["no newline at the end", wrong.trimEnd()],
  ])("behind %s, an error is where it was written", (_, text) => {
    const { diagnostics, tokens } = analyse(text);
    expect(diagnostics.map((d) => [d.code, d.span.start])).toEqual([
      ["E0204", text.indexOf("layers 0") + "layers ".length],
    ]);
    for (const { span, kind } of tokens()) {
      expect(span.end).toBeGreaterThan(span.start);
      if (kind !== "comment") expect(shown(text, span)).not.toMatch(/\s/);
    }
  });
  test("what is missing at the end is told inside of the text", () => {
    for (const text of ["", "\n\n", "model", "model m {", "model m { width", "model m { layer { x += "]) {
      const { diagnostics } = analyse(text);
      expect(diagnostics.length).toBeGreaterThan(0);
      for (const { span } of diagnostics) {
        expect(span.start).toBeGreaterThanOrEqual(0);
        expect(span.end).toBeLessThanOrEqual(text.length);
      }
    }
  });
});

describe("layout", () => {
  test("one edit, no larger than what differs, and never half a character", () => {
    const text = `// 😀\n${base.replace("width 8 ", "width    8")}`;
    const [edit, ...more] = analyse(text).format();
    expect(more).toEqual([]);
    expect(applied(text, [edit!])).toBe(format(text).text);
    expect(edit!.span.end - edit!.span.start).toBeLessThan(8);
  });
  test("the halves of a character stay together", () => {
    expect(difference("a😀b", "a😁b")).toEqual({ span: { start: 1, end: 3 }, text: "😁" });
    expect(difference("a😀b", "a\u{10600}b")).toEqual({ span: { start: 1, end: 3 }, text: "\u{10600}" });
    expect(difference("a\r\n", "a\n")).toEqual({ span: { start: 1, end: 3 }, text: "\n" });
    expect(difference("\r\n", "\rb")).toEqual({ span: { start: 0, end: 2 }, text: "\rb" });
  });
  test("nothing for what is right, and for what is wrong", () => {
    expect(analyse(base).format()).toEqual([]);
    expect(analyse(base.replace("}", "")).format()).toEqual([]);
  });
});

const text = `// Two
// lines
model a {
  context 16   width 8   layers 1   heads 2
  let inner = 3 * width
  embed token
  layer {
    x += mlp(layernorm(x), hidden: inner, activation: relu)
  }
  output linear(x)
  objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))
  prefer {
    objective mine
    lora { rank 4 }
  }
  expect width 8
}
model b like a { width 16 }
`;

test("parts: where a model says what they are, inherited ones too", () => {
  const spec = analyse(text);
  const placed = spec.parts().map(({ model, section, part, span }) => {
    const [first] = text.slice(span.start, span.end).split("(");
    return `${model} ${section} ${part}: ${first}`;
  });
  for (const { model } of spec.models) {
    const named = (section: ParameterSection) => (part: { readonly name: string; readonly part: string }) =>
      `${model.name} ${section} ${part.name}: ${part.part}`;
    expect(placed).toEqual(
      expect.arrayContaining([
        ...layerParts(model).map(named("layer")),
        ...partsOf(model.output).map(named("output")),
      ]),
    );
  }
});
test("symbols: models with what they are made of", () => {
  const [a, b] = analyse(text).symbols();
  expect([a!.name, a!.kind, b!.detail]).toEqual(["a", "model", "like a"]);
  expect(a!.children.map((c) => [c.kind, c.name, c.detail])).toEqual([
    ["setting", "context", "16"],
    ["setting", "width", "8"],
    ["setting", "layers", "1"],
    ["setting", "heads", "2"],
    ["let", "inner", "3 * width"],
    ["equations", "embed", "token"],
    ["equations", "layer", ""],
    ["equations", "output", "linear(x)"],
    ["objective", "mine", "-logsigmoid(beta * (chosen.ratio - rejected.ratio))"],
    ["section", "prefer", ""],
    ["setting", "expect", "width 8"],
  ]);
  for (const { span, nameSpan } of a!.children) {
    expect(nameSpan.start).toBeGreaterThanOrEqual(span.start);
    expect(nameSpan.end).toBeLessThanOrEqual(span.end);
  }
});

test("folding: blocks and comments of several lines", () => {
  const first = analyse(text)
    .folding()
    .map((span) => shown(text, span).split("\n")[0]!.trim());
  expect(first).toEqual(["// Two", "model a {", "layer {", "prefer {"]);
});

test("lenses: what a click does, and the count", () => {
  const found = analyse(text).lenses();
  expect(found.map((l) => [l.model, l.title, l.verb])).toEqual([
    ["a", "check", "check"],
    ["a", "train", "train"],
    ["a", "4,496 parameters", undefined],
    ["b", "check", "check"],
    ["b", "train", "train"],
    ["b", "9,760 parameters", undefined],
  ]);
});

test("tokens: each by what it means", () => {
  const tokens = analyse(text).tokens();
  const kinds = (word: string): string[] =>
    tokens
      .filter((t) => shown(text, t.span) === word)
      .map((t) => (t.isDefinition ? `${t.kind} (definition)` : t.kind));
  expect(kinds("model")).toEqual(["keyword", "keyword"]);
  expect(kinds("a")).toEqual(["model (definition)", "model"]);
  expect(kinds("width")).toEqual(["setting (definition)", "setting", "setting", "setting (definition)"]);
  expect(kinds("inner")).toEqual(["let (definition)", "let"]);
  expect(kinds("mlp")).toEqual(["part"]);
  expect(kinds("hidden")).toEqual(["option"]);
  expect(kinds("relu")).toEqual(["word"]);
  expect(kinds("x")).toEqual(["value (definition)", "value", "value"]);
  expect(kinds("objective")).toEqual(["keyword", "setting (definition)"]);
  expect(kinds("mine")).toEqual(["objective (definition)", "word"]);
  expect(kinds("logsigmoid")).toEqual(["function"]);
  expect(kinds("chosen")).toEqual(["value"]);
  expect(kinds("prefer")).toEqual(["keyword"]);
  expect(kinds("lora")).toEqual(["keyword"]);
  expect(kinds("// Two")).toEqual(["comment"]);
  const wrong = analyse(text.replace("hidden:", "hiden:").replace("mlp", "mpl")).tokens();
  expect(wrong.filter((t) => t.kind === "wrong").length).toBe(1);
});
