/** What may stand at a place of a text that is not finished: "‸" is where one types. */
import { describe, expect, test } from "vitest";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import type { Completion } from "../../../compiler/language-service/language-service.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { marked } from "../../support/marked.ts";
import { base } from "../../support/sources.ts";

const completed = (written: string): readonly Completion[] => {
  const { text, at } = marked(written);
  return analyse(text).complete(at);
};
const labels = (written: string): string[] => completed(written).map(({ label }) => label);

describe("what is offered first", () => {
  test.each<[string, readonly string[]]>([
    // outside of models
    ["‸", ["model"]],
    ["mo‸", ["model"]],
    ["model a ‸", ["like"]],
    ["model a { }\nmodel b like ‸", ["a"]],
    // settings that are missing come first, then the pieces
    ["model m { ‸", ["context", "width", "layers", "heads", "embed", "layer", "output", "vocab"]],
    ["model m { width 8 context 16 ‸", ["layers", "heads", "embed", "layer", "output"]],
    ["model m { tokenizer characters  layers 1 context 4 heads 2 width 8  ‸", ["vocab", "embed"]],
    ["model m { layers 2 alternate ‸", ["dense", "banded"]],
    ["model m { layers 2 alternate dense, ‸", ["dense", "banded"]],
    ["model m { layers 2 alternate dense, banded ‸", ["context", "width", "heads"]],
    ["model m { wid‸", ["width"]],
    [`${base}model b like base { ‸`, ["vocab", "context"]],
    // numbers
    ["model m { let inner = 3 * width  context ‸", ["inner", "vocab"]],
    ["model m { head_dim 4 width 8 * hea‸", ["heads", "head_dim"]],
    ["model m { let a = 3\n let b = ‸", ["a", "vocab"]],
    // equations
    ["model m { embed ‸", ["token", "position", "layernorm", "rmsnorm"]],
    ["model m { layer { ‸", ["x +=", "x ="]],
    ["model m { layer { h = layernorm(x)\n ‸", ["x +=", "x =", "h ="]],
    ["model m { layer { x += ‸", ["x", "layernorm", "rmsnorm", "attention", "mlp"]],
    ["model m { layer { x += att‸", ["attention"]],
    ["model m { layer { h = layernorm(x)\n x += mlp(‸", ["x", "h", "layernorm"]],
    ["model m { layer { h = layernorm(x)\n x += h + ‸", ["x", "h"]],
    ["model m { output ‸", ["linear", "layernorm"]],
    ["model m { output linear(‸", ["x", "layernorm"]],
    // options
    ["model m { layer { x += mlp(x, ‸", ["hidden:", "activation:", "bias:"]],
    ["model m { layer { x += mlp(x, bias: true, ‸", ["hidden:", "activation:"]],
    ["model m { layer { x += mlp(x, activation: ‸", ["relu", "relu2", "gelu"]],
    ["model m { layer { x += mlp(x, bias: ‸", ["true", "false"]],
    ["model m { let n = 2  layer { x += mlp(x, hidden: ‸", ["n", "vocab"]],
    ["model m { layer { x += attention(x, rope: ‸", ["rope(theta: 10000)"]],
    ["model m { layer { x += attention(x, rope: rope(‸", ["theta:", "linear:", "factor:"]],
    // words
    ["model m { tokenizer ‸", ["bytes", "characters", "gpt2"]],
    ["model m { expect ‸", ["parameters", "active_parameters"]],
    ["model m { train { ‸", ["batch", "context", "steps"]],
    ["model m { train { batch 8 ‸", ["context", "steps"]],
    ["model m { train { schedule ‸", ["cosine", "linear"]],
    ["model m { sample { t‸", ["temperature", "top_k", "top_p", "tokens"]],
    // stages
    ["model m { sft { ‸", ["batch", "context", "steps", "accumulate"]],
    ["model m { prefer { objective ‸", ["dpo", "robust"]],
    ["model m { prefer { lora { ‸", ["rank", "alpha", "on"]],
    ["model m { prefer { lora { on ‸", ["attention", "mlp", "linear", "all"]],
    ["model m { prefer { lora { on attention, ‸", ["attention", "mlp"]],
    ["model m { rl { reward ‸", ["exact_answer", "gsm8k"]],
    // objectives
    ["model m { objective o = ‸", ["chosen.", "rejected.", "length"]],
    ["model m { objective o = -logsig‸", ["logsigmoid"]],
    ["model m { objective o = chosen.‸", ["length", "ratio"]],
    ["model m { objective o = mean(‸", ["chosen.", "rejected."]],
    ["model m { train { recompute ‸", ["none", "layers"]],
    // plans
    [`${base}pl‸`, ["plan"]],
    [`${base}plan p of ‸`, ["base"]],
    [`${base}plan p of base ‸`, ["on"]],
    [`${base}plan p of base on h100 { }\nplan q ‸`, ["of", "like"]],
    [`${base}plan p of base on h100 { }\nplan q like ‸`, ["p"]],
    ["plan p of base on h1‸", ["h100", "h100-96", "h100-pcie"]],
    ["plan p of base on h100 { ‸", ["devices", "tokens", "sequence"]],
    ["plan p of base on h100 { devices 8 ‸", ["tokens", "sequence"]],
    ["plan p of base on h100 { recompute ‸", ["none", "selective", "full"]],
    ["plan p of base on h100 { ex‸", ["expert", "expect"]],
    ["plan p of base on h100 { expect ‸", ["flops", "flops_causal"]],
    ["plan p of base on h100 { expect hours 8 ± ‸", []],
    ["plan p of base on h100 { expect hours 8 ± 5% ‸", ["devices"]],
    [`${base}plan p of base on h100 { sequence ‸`, ["vocab", "context"]],
    // devices
    [`${base}hard‸`, ["hardware"]],
    [`${base}hardware ‸`, []],
    [`${base}hardware c ‸`, ["like"]],
    [`${base}hardware h1x like h100 { }\nplan p of base on h‸`, ["h1x", "h100"]],
    ["hardware c like h1‸", ["h100", "h100-96", "h100-pcie"]],
    ["hardware c like h100 { ‸", ["bf16", "fp16", "fp8", "fp32", "memory"]],
    ["hardware c like h100 { mem‸", ["memory"]],
    ["hardware c like h100 { memory 80e9  ba‸", ["bandwidth"]],
    ["hardware c like h100 { price_kind ‸", ["rent", "list", "owned"]],
    ["hardware c like h100 { bf16 1e12  fp8 ‸", ["bf16", "fp16", "fp32"]],
    ["hardware c like h100 { power 500 } plan p of base on ‸", ["c", "v100"]],
  ])("%s", (written, wanted) => {
    expect(labels(written).slice(0, wanted.length)).toEqual(wanted);
  });
});

test("a model's own objective comes before those of the literature", () => {
  const text = "objective mine = -logsigmoid(chosen.ratio - rejected.ratio)  prefer { objective ‸ }";
  expect(labels(base.replace("output", `${text} output`))[0]).toBe("mine");
});

test("lets of the model that this one is like", () => {
  const text = `${base.replace("width 8", "width 8 let inner = 3")}model b like base { context ‸`;
  expect(labels(text)[0]).toBe("inner");
});

describe("what would be a circle is not offered", () => {
  const plans = `${base}plan a of base on h100 { }\nplan b like a { }\nplan c like b { }\n`;
  const models = "model a { }\nmodel b like a { }\nmodel c like b { }\n";
  test.each<[string, readonly string[]]>([
    [`${plans}plan d like ‸`, ["a", "b", "c"]],
    [`${plans}plan b like ‸`, ["a"]],
    [`${plans.replace("plan a of base on h100", "plan a like ‸")}`, []],
    [`${plans.replace("plan b like a", "plan b like ‸a")}`, ["a"]],
    [`${models}model d like ‸`, ["a", "b", "c"]],
    [`${models}model b like ‸`, ["a"]],
    [`${models.replace("model a", "model a like ‸")}`, []],
  ])("%s", (written, wanted) => {
    expect(labels(written)).toEqual(wanted);
  });

  test.each<[string, readonly string[], readonly string[]]>([
    ["model m { width ‸", ["heads", "layers"], ["width", "head_dim"]],
    ["model m { head_dim 8  width ‸", ["heads", "head_dim"], ["width"]],
    ["model m { let inner = 3 * width  width ‸", ["vocab"], ["inner", "width"]],
    ["model m { let a = 3  let b = a  let c = b  let a = ‸", ["vocab"], ["a", "b", "c"]],
    ["model m { train { batch ‸", ["steps", "width"], ["batch"]],
    ["model m { train { context ‸", ["context"], []],
  ])("%s", (written, offered, not) => {
    const found = labels(written);
    expect(found).toEqual(expect.arrayContaining([...offered]));
    for (const name of not) expect(found).not.toContain(name);
  });
});

test("a device may be like one of the table, and like none that is like itself", () => {
  const offered = labels(
    "hardware a like ‸ { }\nhardware b like a { }\nhardware c like b { }\nhardware d { }",
  );
  expect(offered.slice(0, 2)).toEqual(["d", "v100"]);
  expect(offered).not.toContain("b");
});

test("a fact is written with what it is", () => {
  const at = base.lastIndexOf("}");
  const written = `${base.slice(0, at)}expect wid‸th 8 ${base.slice(at)}`;
  expect(
    completed(written)
      .map(({ insert }) => insert)
      .slice(0, 2),
  ).toEqual(["width 8", "parameters 4624"]);
});

test("nothing where a name of one's own is written, and in comments", () => {
  expect(labels("model m { let ‸")).toEqual([]);
  expect(labels("model ‸")).toEqual([]);
  expect(labels("model m { // wid‸")).toEqual([]);
  expect(labels("model m { layer { x ‸")).toEqual([]);
});

test("what is typed is replaced as a word, and snippets make a whole spec", () => {
  const [part] = completed("model m { layer { x += att‸ention }");
  expect(part!.replaces).toEqual({ start: 23, end: 32 });
  expect(part!.insert).toBe("attention(${1:layernorm(x)})");
  const [model] = completed("‸");
  const text = model!.insert.replaceAll(/\$\{\d+:([^}]*)\}/g, "$1");
  expect(checkSource(text).diagnostics).toEqual([]);
});

test("every offer of an item can be taken: it brings no syntax error", () => {
  const at = base.lastIndexOf("}");
  const offers = completed(`${base.slice(0, at)}‸\n${base.slice(at)}`);
  expect(offers.length).toBeGreaterThan(8);
  for (const { label, insert } of offers.filter(({ isSnippet }) => isSnippet)) {
    const plain = insert.replaceAll(/\$\{\d+:?([^}]*)\}/g, "$1");
    const { diagnostics } = checkSource(`${base.slice(0, at)}${plain}\n${base.slice(at)}`);
    expect(
      diagnostics.filter(({ code }) => code.startsWith("E01")),
      label,
    ).toEqual([]);
  }
});
