/** What specs mean. */
import { describe, expect, test } from "vitest";
import { checkSource, type CheckOptions } from "../../../compiler/2-check/check.ts";
import { parts } from "../../../compiler/2-check/parts.ts";
import { norms, type Assignment, type Expression, type Model } from "../../../runtime/contract/model.ts";
import { base, specs, whole } from "../../support/sources.ts";

function model(fragment: string, options: CheckOptions = {}): Model {
  const { models, diagnostics } = checkSource(whole(fragment), options);
  expect(diagnostics).toEqual([]);
  return models.at(-1)!;
}
const codes = (fragment: string, options: CheckOptions = {}): string[] =>
  checkSource(whole(fragment), options).diagnostics.map((d) => d.code);

/** An expression in one line: "add(x, mlp(layernorm(x)))". */
const show = (e: Expression): string =>
  e.kind === "value"
    ? e.name
    : e.kind === "add"
      ? `add(${show(e.left)}, ${show(e.right)})`
      : `${e.part.name}(${show(e.input)})`;
const equations = (layer: readonly Assignment[]): string[] =>
  layer.map((a) => `${a.name} = ${show(a.value)}`);

describe("settings", () => {
  test("arithmetic, lets in any order, digits with _", () => {
    const { sizes } = model(
      "let twice = 2 * once\nlet once = (3 + 5) % 6 - -2\nwidth 4 * twice\nheads twice\ncontext 1_024 / 2",
    );
    expect(sizes).toMatchObject({ width: 32, heads: 8, headDim: 4, context: 512 });
  });
  test("precedence and associativity", () => {
    expect(model("width 2 + 3 * 4 - 8 / 2 / 2").sizes.width).toBe(12);
    expect(model("width 20 - 8 - 4").sizes.width).toBe(8);
    expect(model("width -(2 - 10)").sizes.width).toBe(8);
  });
  test("settings may use settings", () => expect(model("heads width / 2").sizes.heads).toBe(4));
  test("defaults", () => {
    expect(model("").sizes).toEqual({
      vocab: 256,
      context: 16,
      width: 8,
      layers: 1,
      heads: 2,
      kvHeads: 2,
      headDim: 4,
    });
    expect(model("context 4096").train).toMatchObject({
      context: 256,
      batch: 8,
      minLr: 6e-4 / 10,
      warmup: 100,
    });
    expect(model("train { steps 50  lr 1e-3 }").train).toMatchObject({
      context: 16,
      steps: 50,
      warmup: 5,
      lr: 1e-3,
      minLr: 1e-4,
    });
    expect(model("").sample).toEqual({
      temperature: 0.8,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      repeatPenalty: 1,
      tokens: 200,
      seed: 0,
    });
  });
  test("in a section, names are the model's first, then the section's", () => {
    expect(model("train { context context / 2  steps 300  warmup steps / 10 }").train).toMatchObject({
      context: 8,
      warmup: 30,
    });
  });
  test("the tokenizer decides the vocabulary, and the other way round", () => {
    const rest = "context 16 width 8 layers 1 heads 2 embed token layer { x += mlp(x) } output linear(x)";
    expect(model(`model m { ${rest} }`)).toMatchObject({ tokenizer: "bytes", sizes: { vocab: 256 } });
    expect(model(`model m { ${rest} tokenizer gpt2 }`).sizes.vocab).toBe(50257);
    expect(model(`model m { ${rest} vocab 61 }`).tokenizer).toBe("characters");
    expect(codes(`model m { ${rest} tokenizer characters }`)).toEqual(["E0201"]);
  });
  test("−0 is 0", () => expect(Object.is(model("train { clip -0 }").train.clip, 0)).toBe(true));
  test.each([
    ["width 1e999", "E0106"],
    ["width 9007199254740993", "E0106"],
    [`width ${Array.from({ length: 30 }, () => "1e15").join(" * ")}`, "E0211"],
    ["width 0 / 0", "E0211"],
    ["width 2 - 10", "E0204"],
    ["width 3 / 2", "E0205"],
  ])("%s", (text, code) => expect(codes(text)).toContain(code));
});

describe("like", () => {
  test("in any order, through several generations, with what depends on the younger one's sizes", () => {
    const { models, diagnostics } = checkSource(
      "model c like b { layers 3 }\nmodel b like a { width 16 " +
        `}\n${base.replace("base", "a").replace("mlp(layernorm(x))", "mlp(x, hidden: 3 * width)")}`,
    );
    expect(diagnostics).toEqual([]);
    expect(models.map((m) => [m.name, m.sizes.width, m.sizes.layers])).toEqual([
      ["c", 16, 3],
      ["b", 16, 1],
      ["a", 8, 1],
    ]);
    expect(models[0]!.layer[0]!.value).toMatchObject({ right: { part: { hidden: 48 } } });
  });
  test("sections are merged, equations replaced, expectations left behind", () => {
    const { models, diagnostics } = checkSource(
      `${base}model a like base { train { lr 1e-3  batch 4 }  expect width 8 }\nmodel b like a { width ` +
        "12  train { batch 2 }  layer { x = rmsnorm(x) } }",
    );
    expect(diagnostics).toEqual([]);
    expect(models[2]).toMatchObject({ train: { lr: 1e-3, batch: 2 } });
    expect(equations(models[2]!.layer)).toEqual(["x = rmsnorm(x)"]);
  });
  test("a circle is told once, and models outside of it are checked", () => {
    const { models, diagnostics } = checkSource(
      `model a like b { }\nmodel b like c { }\nmodel c like a { }\n${base}`,
    );
    expect(diagnostics.map((d) => d.code)).toEqual(["E0331"]);
    expect(models.map((m) => m.name)).toEqual(["base"]);
  });
  test("an inherited mistake is told once", () => {
    expect(
      codes(
        "model a { context 4 width 8 layers 1 heads 2 embed token layer { x += mlpp(x) } output " +
          "linear(x) }\nmodel b like a { layers 2 }\nmodel c like b { }",
      ),
    ).toEqual(["E0302"]);
  });
});

test("a model with a wrong line is no model, nor is one that is like it; others are", () => {
  const { models } = checkSource(
    `${base}model a like base { widht 4  expect width 9 }\nmodel b like a { }\nmodel c like base { ` +
      "expect width 9 }\nmodel d like c { }",
  );
  expect(models.map((m) => m.name)).toEqual(["base", "d"]);
});

describe("equations", () => {
  const layer = (text: string): string[] => equations(model(`layer { ${text} }`).layer);
  test("sequential, parallel, named, nested", () => {
    expect(layer("x += attention(layernorm(x))  x += mlp(layernorm(x))")).toEqual([
      "x = add(x, attention(layernorm_1(x)))",
      "x = add(x, mlp(layernorm_2(x)))",
    ]);
    expect(layer("h = rmsnorm(x)  x += attention(h) + mlp(h)")).toEqual([
      "h = rmsnorm(x)",
      "x = add(x, add(attention(h), mlp(h)))",
    ]);
    expect(layer("x = layernorm(x + mlp(layernorm(x)))")).toEqual([
      "x = layernorm_2(add(x, mlp(layernorm_1(x))))",
    ]);
  });
  test("what nothing reads is not built", () => {
    const { models, diagnostics } = checkSource(
      whole("layer { a = rmsnorm(x)\nb = mlp(a)\nx = layernorm(x) }"),
    );
    expect(diagnostics.map((d) => d.code)).toEqual(["W0315", "W0315"]);
    expect(equations(models[1]!.layer)).toEqual(["x = layernorm(x)"]);
  });
  test("widths are followed through linear", () => {
    expect(model("layer { x += linear(mlp(linear(x, out: 3)), out: width) }").layer[0]!.value).toMatchObject({
      right: { part: { name: "linear_2", width: 3, out: 8 }, input: { part: { width: 3, hidden: 12 } } },
    });
    expect(codes("layer { x = linear(x, out: 3) }")).toEqual(["E0308"]);
    expect(codes("layer { x += linear(x, out: 3) }")).toEqual(["E0307"]);
  });
  test("a layer that does nothing is refused", () => {
    expect(codes("layer { }")).toEqual(["E0308"]);
    expect(codes("layer { h = x  x = h }")).toEqual(["E0308"]);
    expect(codes("layer { x = x + x }")).toEqual([]);
  });
  test("options with defaults that depend on other options", () => {
    const part = (text: string): object =>
      (model(`layer { x = ${text} }`).layer[0]!.value as { part: object }).part;
    expect(part("attention(x, heads: 4)")).toMatchObject({
      heads: 4,
      kvHeads: 4,
      headDim: 2,
      bias: false,
      causal: true,
    });
    expect(part("attention(x, bias: true)")).toEqual({
      part: "attention",
      name: "attention",
      width: 8,
      heads: 2,
      kvHeads: 2,
      headDim: 4,
      bias: true,
      causal: true,
    });
    expect(part("attention(x, out_bias: true)")).toMatchObject({ bias: false, outBias: true });
    expect(part("layernorm(x)")).toMatchObject({ weight: true, bias: true, eps: 1e-5 });
    expect(part("rmsnorm(x, weight: false, eps: 1e-6)")).toMatchObject({
      weight: false,
      bias: false,
      eps: 1e-6,
    });
    expect(part("mlp(x)")).toMatchObject({ hidden: 32, activation: "gelu_tanh", bias: false });
    expect(codes("layer { x += attention(x, heads: 3) }")).toEqual(["E0203"]);
  });
  test("a norm once after the embedding", () => {
    const embed = (text: string): unknown => model(`embed ${text}`).embed;
    expect(embed("layernorm(token)")).toEqual({
      token: true,
      position: false,
      norm: { part: "layernorm", name: "layernorm", width: 8, eps: 1e-5, weight: true, bias: true },
    });
    expect(embed("rmsnorm(position + token, weight: false, eps: 1 / width)")).toEqual({
      token: true,
      position: true,
      norm: { part: "rmsnorm", name: "rmsnorm", width: 8, eps: 0.125, weight: false, bias: false },
    });
    expect(embed("(token) + (position)")).toEqual({ token: true, position: true });
    const rows = checkSource(whole("embed layernorm(token)")).summaries[1]!.parts.filter(
      (p) => p.section === "embed",
    );
    expect(rows.map((r) => [r.name, r.total, r.tensors.map((t) => t.name)])).toEqual([
      ["token", 2048, ["token_embedding.weight"]],
      ["layernorm", 16, ["embed.layernorm.weight", "embed.layernorm.bias"]],
    ]);
  });
  test.each([
    ["position", "E0311"],
    ["token + token", "E0311"],
    ["layernorm(token + token)", "E0311"],
    ["layernorm(tokens)", "E0311"],
    ["x", "E0311"],
    ["layernorm(x)", "E0311"],
    ["layernorm(position)", "E0311"],
    ["layernorm(token) + position", "E0311"],
    ["layernorm(rmsnorm(token))", "E0311"],
    ["mlp(token)", "E0316"],
    ["linear(token)", "E0316"],
    ["attention(token)", "E0316"],
    ["layernorm(token, position)", "E0304"],
    ["layernorm()", "E0304"],
    ["4 * token", "E0306"],
    ["token - position", "E0306"],
    ["norm(token)", "E0302"],
    ["layernorm(token, bais: true)", "E0303"],
    ["5", "E0306"],
    ["true", "E0306"],
  ])("embed %s: %s", (text, code) => expect(codes(`embed ${text}`)).toEqual([code]));
  test("the parts that may stand in one are the norms", () => {
    const around = Object.entries(parts).filter(([, { sections }]) => sections.includes("embed"));
    expect(around.map(([name]) => name)).toEqual([...norms]);
  });
  test("output", () => {
    expect(show(model("output linear(layernorm(x), tied: true, bias: true)").output)).toBe(
      "linear(layernorm(x))",
    );
    expect(codes("output x")).toEqual(["E0309"]);
    expect(codes("output linear(x) + linear(x)")).toEqual(["E0309"]);
    expect(codes("output linear(x, out: 5)")).toEqual(["E0309"]);
    expect(codes("output linear(linear(x, out: 5), tied: true)")).toEqual(["E0310"]);
    expect(codes("output linear(h)")).toEqual(["E0305"]);
  });
});

describe("expectations", () => {
  const misprint =
    "model xl { vocab 50257 context 2048 layers 24 width 2048 head_dim 128 heads 24 embed token + " +
    "position layer { x += attention(layernorm(x), bias: true) x += mlp(layernorm(x), bias: true) } " +
    "output linear(layernorm(x), tied: true) $ }";
  test("GPT-3's misprints are refused, with the right size named", () => {
    const xl = checkSource(misprint.replace("$", "expect parameters 1_315_723_264"));
    expect(xl.diagnostics.map((d) => [d.code, d.help])).toEqual([
      ["E0401", "heads 16 gives exactly 1_315_723_264"],
    ]);
    const big = misprint
      .replace("layers 24", "layers 40")
      .replace("width 2048", "width 5140")
      .replace("heads 24", "heads 40");
    expect(checkSource(big.replace("$", "")).diagnostics.map((d) => [d.code, d.severity])).toEqual([
      ["W0213", "warning"],
    ]);
    expect(
      checkSource(big.replace("$", "").replace("head_dim 128", "")).diagnostics.map((d) => d.code),
    ).toEqual(["E0203"]);
    expect(
      checkSource(big.replace("$", "expect parameters 12_853_386_240")).diagnostics.find(
        (d) => d.code === "E0401",
      )?.help,
    ).toContain("width 5120");
    expect(
      checkSource(big.replace("$", "expect parameters 12_853_386_240").replace("5140", "5120")).diagnostics,
    ).toEqual([]);
  });
  test.each([
    [31, 2, 14],
    [35, 3, 12],
    [5120, 32, 128],
    [1024, 16, 128],
  ])("width %i with %i heads of %i, written out, is a model", (width, heads, headDim) => {
    const spec = misprint.replace(
      "2048 head_dim 128 heads 24",
      `${width} head_dim ${headDim} heads ${heads}`,
    );
    const { models, summaries: facts, diagnostics } = checkSource(spec.replace("$", ""));
    expect(models).toMatchObject([{ sizes: { width, heads, headDim } }]);
    expect(diagnostics.map((d) => d.severity)).toEqual(["warning"]);
    expect(checkSource(spec.replace("$", `expect parameters ${facts[0]!.parameters}`)).diagnostics).toEqual(
      [],
    );
    if (width % heads !== 0)
      expect(
        checkSource(spec.replace(`head_dim ${headDim}`, "").replace("$", "")).diagnostics.map((d) => d.code),
      ).toEqual(["E0203"]);
  });
  test("a head_dim of its own is doubted, unless a parameter count confirms it", () => {
    expect(checkSource(misprint.replace("$", "")).diagnostics.map((d) => d.code)).toEqual(["W0214"]);
    const { parameters } = checkSource(misprint.replace("$", "")).summaries[0]!;
    expect(checkSource(misprint.replace("$", `expect parameters ${parameters}`)).diagnostics).toEqual([]);
  });
  test.each([
    ["output linear(x)", "output linear(x, tied: true)", /tied: true/],
    ["embed token", "embed token + position", /position/],
    ["layers 1", "layers 7", /layers 7/],
    ["layer { x += mlp(x) }", "layer { x += mlp(x, bias: true) }", /bias: true/],
    ["layer { x += mlp(x) }", "layer { x += mlp(x, hidden: 3 * width) }", /hidden: 3/],
    ["vocab 256", "vocab 300", /vocab 300/],
  ])("%s where %s is meant", (said, meant, help) => {
    const parameters = checkSource(whole(meant)).summaries[1]!.parameters;
    expect(
      checkSource(whole(`${said}\nexpect parameters ${parameters}`)).diagnostics.map((d) => d.help),
    ).toEqual([expect.stringMatching(help)]);
  });
});

describe("--set and --model", () => {
  const gpt2 = specs.find((s) => s.file === "specs/gpt2.sinter")!.text;
  test("one model, other sizes, expectations skipped", () => {
    const {
      models,
      summaries: facts,
      diagnostics,
    } = checkSource(gpt2, {
      model: "gpt2-xl",
      set: { width: "256", heads: "width / 64", "train.lr": "1e-3", steps: "5", tokenizer: "bytes" },
    });
    expect(diagnostics).toEqual([]);
    expect(models).toMatchObject([
      { name: "gpt2-xl", tokenizer: "bytes", sizes: { width: 256, heads: 4 }, train: { lr: 1e-3, steps: 5 } },
    ]);
    expect(facts[0]!.expects[0]!.result).toBe("skipped");
  });
  test("training settings leave the expectations alone", () =>
    expect(
      checkSource(gpt2, { set: { batch: "2" } }).summaries.flatMap((f) => f.expects.map((e) => e.result)),
    ).toEqual(["holds", "holds", "holds", "holds"]));
  test("lets", () =>
    expect(
      model("let h = 3\nlayer { x += mlp(x, hidden: h) }", { set: { h: "5" }, model: "m" }).layer[0]!.value,
    ).toMatchObject({ right: { part: { hidden: 5 } } }));
  test.each([
    [{ widht: "4" }, "E0501"],
    [{ seed: "4" }, "E0501"],
    [{ width: "" }, "E0502"],
    [{ width: "4 4" }, "E0102"],
    [{ width: "(4" }, "E0103"],
    [{ width: "x y" }, "E0102"],
    [{ width: "-4" }, "E0204"],
    [{ __proto__x: "1" }, "E0501"],
    [{ width: "\u001b[31m" }, "E0101"],
    [{ constructor: "1" }, "E0501"],
    [{ "train.constructor": "1" }, "E0501"],
    [{ "train.lr.x": "1" }, "E0501"],
    [{ "train.schedule": "5" }, "E0207"],
  ])("%o", (set, code) => {
    expect(codes("", { set: set as Record<string, string> })).toContain(code);
    expect(checkSource(base, { set: set as Record<string, string> }).models).toEqual([]);
  });
  test("a model that is not there", () =>
    expect(checkSource(gpt2, { model: "gpt2-x" }).diagnostics[0]).toMatchObject({
      code: "E0503",
      help: "did you mean `gpt2-xl`?",
    }));
});

describe("hostile text", () => {
  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"])(
    "%s is a name like any other",
    (name) => {
      for (const text of [
        `${name} 5`,
        `let ${name} = 5\nwidth ${name} + 3`,
        `layer { ${name} = layernorm(x)\nx += mlp(${name}) }`,
        `layer { x += ${name}(x) }`,
        `layer { x += mlp(x, ${name}: 1) }`,
        `layer { x += mlp(x, activation: ${name}) }`,
        `tokenizer ${name}`,
        `embed ${name}`,
        `expect ${name} 5`,
        `train { ${name} 5 }`,
        `model ${name} like ${name} { }`,
        `width ${name}`,
      ])
        for (const d of checkSource(whole(text)).diagnostics)
          expect(d.text).not.toMatch(/native code|undefined|\[object/);
    },
  );
  test.each(["*/", "`${1}`", "\u2028", "\u0000", "\ud800", "😀", "\u202e", "\u001b[2J"])("%j", (text) => {
    for (const spec of [text, `model m { ${text} width 5 }`, `model ${text} { }`, `${base}// ${text}`]) {
      const { diagnostics } = checkSource(spec);
      for (const d of diagnostics) expect(d.text + (d.help ?? "")).not.toMatch(/[\p{C}\u2028]/u);
    }
  });
  test("deep and long things", () => {
    expect(checkSource("(".repeat(100_000)).diagnostics.map((d) => d.code)).toContain("E0105");
    expect(codes(`width ${"1+".repeat(100_000)}1`)).toContain("E0111");
    expect(codes(`width ${"-".repeat(100_001)}8`)).toContain("E0204");
    const sum = (count: number, term: string): string => Array.from({ length: count }, () => term).join("+");
    expect(codes(`layer { x += ${sum(60, `(${sum(60, "mlp(x)")})`)} }`)).toContain("E0111");
    expect(
      codes(
        Array.from({ length: 2000 }, (_, i) => `let a${i} = a${i + 1} + a${i + 1}`).join("\n") +
          "\nlet a2000 = 1",
      ),
    ).toContain("E0111");
    const line = ["base", ...Array.from({ length: 500 }, (_, i) => `m${i}`)];
    const heirs = line.slice(1).map((name, i) => `model ${name} like ${line[i]} { }`);
    const inherited = checkSource(base + heirs.join("\n")).diagnostics;
    expect(inherited.map((d) => d.code)).toContain("E0111");
    for (const [text, code] of [
      ["layer { x +=\n", "E0103"],
      ["x: ", "E0102"],
      ["h = = ", "E0102"],
      ["model ", "E0102"],
      ["@ ", "E0101"],
      ["} ", "E0104"],
      ["foo 5 ", "E0202"],
      ["5 ", "E0102"],
    ] as const)
      expect(codes(text.repeat(20_000))).toContain(code);
    expect(
      checkSource(`model ${"a".repeat(100_000)} { ${"b".repeat(100_000)} 1 }`).diagnostics.map((d) => d.code),
    ).toContain("E0108");
  });
});
