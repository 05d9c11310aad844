/** Hovers and inlay hints: what a place means, and what follows from a text. */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { programFlops, tileGraph } from "../../../compiler/6-tile/program.ts";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import { tokenCosts } from "../../../compiler/language-service/costs.ts";
import { parameterRows } from "../../../compiler/2-check/parameters.ts";
import { marked } from "../../support/marked.ts";
import { specs } from "../../support/sources.ts";

const family = `model a {
  context 16   width 8   layers 3   heads 2
  let inner = 3 * width
  embed token + position
  layer {
    h = layernorm(x)
    x += attention(h, rope: rope(theta: 500000))
    x += mlp(h, hidden: inner, activation: relu)
    x += swiglu(h)
  }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))
  prefer { objective mine  steps 2 * 50  lora { rank 4 } }
  expect width 8
}
model b like a { width 8 * 2 }
`;

/** What a hover says where "‸" stands before a piece of the family; "" where it says nothing. */
function hoverAt(piece: string): string {
  const plain = piece.replace("‸", "");
  expect(family.split(plain).length, plain).toBe(2);
  const { text, at } = marked(family.replace(plain, piece));
  const found = analyse(text).hover(at);
  if (found) {
    expect(found.span.start).toBeLessThanOrEqual(at);
    expect(found.span.end).toBeGreaterThanOrEqual(at);
  }
  return found?.markdown ?? "";
}

describe("hover", () => {
  test.each<[string, readonly string[]]>([
    ["‸width 8  ", ["**width**: setting of the model", "whole, 1 … 1,048,576 · must be given", "= 8"]],
    ["‸width 8 * 2", ["= 16", "instead of `width 8` in `a`"]],
    ["3 * ‸width", ["**width**", "= 8; in `b` 16", "`width` is set in line 2, in `a`"]],
    ["‸3 * width", ["3 * width = 24; in b 48"]],
    ["let ‸inner", ["let inner = 3 * width", "= 24; in `b` 48"]],
    ["hidden: ‸inner", ["let inner = 3 * width", "`inner` is set in line 3, in `a`"]],
    [
      "‸attention(h",
      ["softmax(Q Kᵀ", "Vaswani et al. 2017", "[T, 8] → [T, 8]", "256 parameters; in `b` 1,024"],
    ],
    ["‸attention(h", ["per token, at the end of a full context", "(all 3 layers together)"]],
    ["‸hidden", ["**hidden**: option of `mlp`", "default 4 * width", "= 24; in `b` 48"]],
    ["‸theta", ["**theta**: option of `rope`", "= 500_000"]],
    ["‸relu", ["`activation`", "gelu_tanh its approximation"]],
    ["‸h = layernorm", ["**h** [T, 8]; in `b` [T, 16]"]],
    ["‸token +", ["The rows of the token embedding."]],
    ["tokenizer ‸bytes", ["One token per byte"]],
    ["‸rank", ["**rank**: setting of `prefer { lora`", "= 4"]],
    ["2 ‸* 50", ["2 * 50 = 100"]],
    ["‸prefer", ["Preferences", "Its settings: batch,", "label_smoothing"]],
    ["‸lora", ["Two thin matrices", "Its settings: rank, alpha, on"]],
    ["‸beta", ["How strongly the reference holds"]],
    ["chosen.‸ratio", ["sum(logp - ref)"]],
    ["‸logsigmoid", ["ln sigmoid(x)"]],
    ["expect ‸width", ["The setting.", "found: 8"]],
    ["‸expect", ["It is checked."]],
    [
      "model ‸b",
      [
        "**b**",
        "like `a`",
        "width 16",
        "by default: vocab, kv_heads, head_dim, band",
        "from `a`: context, layers, heads",
        "parameters",
        "FLOP",
      ],
    ],
  ])("%s", (piece, texts) => {
    const said = hoverAt(piece);
    for (const text of texts) expect(said).toContain(text);
  });
  test("nothing where nothing stands", () => {
    const { hover } = analyse(family);
    expect(hover(family.indexOf("\n  output"))).toBeUndefined();
    expect(hover(family.length)).toBeUndefined();
    expect(analyse("").hover(0)).toBeUndefined();
  });
  test("a setting that is not given says its default", () => {
    const text = family.replace("3 * width", "3 * head_dim");
    expect(analyse(text).hover(text.indexOf("head_dim"))?.markdown).toContain("not given: by default");
  });
});

test("hints stand where they belong", () => {
  const hints = analyse(family).inlayHints();
  let shown = family;
  for (const { at, text } of hints.toReversed()) shown = `${shown.slice(0, at)} ‹${text}›${shown.slice(at)}`;
  expect(shown).toBe(`model a ‹6,464 parameters› {
  context 16   width 8   layers 3   heads 2 ‹head_dim 4›
  let inner = 3 * width ‹= 24›
  embed token + position ‹[T, 8] · 2,176 parameters›
  layer {
    h = layernorm(x) ‹[T, 8] · 16 parameters × 3›
    x += attention(h, rope: rope(theta: 500000)) ‹[T, 8] · 256 parameters × 3›
    x += mlp(h, hidden: inner, activation: relu) ‹[T, 8] · 384 parameters × 3›
    x += swiglu(h ‹hidden 32›) ‹[T, 8] · 768 parameters × 3›
  }
  output linear(layernorm(x), tied: true) ‹[T, 256] · 16 parameters›
  tokenizer bytes ‹vocab 256›
  objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))
  prefer { objective mine  steps 2 * 50 ‹= 100›  lora { rank 4 } }
  expect width 8
}
model b like a ‹19,072 parameters› { width 8 * 2 ‹= 16› ‹head_dim 8› }
`);
  const layer = { start: family.indexOf("layer {"), end: family.indexOf("output") };
  expect(analyse(family).inlayHints(layer).length).toBe(5);
});

test("a device says its figures, and which are the text's own", () => {
  const text = `${family}hardware card like h100 { power 500 }\nplan big of a on card { }\n`;
  const doc = analyse(text);
  const said = (piece: string): string => doc.hover(text.indexOf(piece) + 1)!.markdown;
  expect(said("card {")).toContain("from the spec: power; the rest as NVIDIA H100 SXM 80 GB");
  expect(said("card like")).toContain("500 W");
  expect(said("h100")).toContain("NVIDIA H100 data sheet, 2023-03");
  expect(said("power")).toContain("Watts of a device.");
  expect(said("hardware")).toContain("Its settings: bf16, fp16");
  expect(said("big")).toContain("- hardware: card: ");
  expect(doc.symbols().at(-2)).toMatchObject({ kind: "hardware", name: "card", detail: "like h100" });
  const token = doc.tokens().find(({ span }) => span.start === text.indexOf("card like"))!;
  expect(token).toMatchObject({ kind: "model", isDefinition: true });
});

test("a plan says its numbers, its device, and what became of its expectations", () => {
  const plan = "plan big of a on h100 { devices 8  tokens 1e9  expect hours 5 ± 10%  expect flops 3.9e13 }";
  const text = `${family}${plan}\n`;
  const doc = analyse(text);
  const at = (piece: string): number => text.indexOf(piece, family.length);
  const said = (piece: string): string => doc.hover(at(piece))!.markdown;
  expect(said("big")).toMatch(/big: a on 8 devices[^]*- memory: [^]*MISSED, found/);
  expect(said("h100")).toContain("NVIDIA H100 SXM 80 GB: bf16 989 TFLOP/s");
  expect(said("devices")).toContain("**devices**: setting of the plan");
  expect(said("hours")).toContain("expect hours 5 ± 10 %: MISSED");
  expect(said("plan")).toContain("Its settings: devices, tokens");
  const hints = doc.inlayHints({ start: family.length, end: text.length }).map((hint) => hint.text);
  expect(hints).toEqual([expect.stringMatching(/^missed: /), "met: 3.88e13"]);
  expect(doc.symbols().at(-1)).toMatchObject({ kind: "plan", name: "big", detail: "of a on h100" });
});

test("where one thing is wrong, the shapes that do not depend on it are still there", () => {
  const text = family.replace("mlp(h,", "mpl(h,");
  const kinds = analyse(text)
    .inlayHints()
    .map((hint) => hint.text);
  expect(kinds).toContain("[T, 8] · 256 parameters");
  const { inlayHints } = analyse(family.replaceAll("heads 2", "heads 3"));
  expect(inlayHints().filter(({ kind }) => kind === "shape")).toEqual([]);
});

test("a token's cost is the sum of its parts', and of what belongs to none", () => {
  for (const { text } of specs) {
    for (const model of checkSource(text).models.slice(0, 2)) {
      const { whole, part } = tokenCosts(model);
      const program = tileGraph(buildGraph(model, { entry: "decode", rows: 1 }), "wide");
      expect(whole.flops).toBe(programFlops(program));
      const rows = parameterRows(model).filter(({ section }) => section !== "head");
      const ofParts = rows.map(({ section, name }) => part(section, name).flops).reduce((a, b) => a + b, 0);
      expect(ofParts).toBeLessThanOrEqual(whole.flops);
      expect(ofParts).toBeGreaterThan(0.7 * whole.flops);
    }
  }
});
