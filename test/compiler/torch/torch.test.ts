/**
 * The exported PyTorch program: what it computes in float64 is what the references of Sinter's operations
 * compute, logits, loss and every gradient; and it is the same program for a model and its shadow.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { check } from "../../../compiler/index.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { saveForBackward } from "../../../compiler/4-grad/save.ts";
import { checkWithPlans } from "../../../compiler/planner/judge-plans.ts";
import { shadowOf } from "../../../compiler/planner/shadow.ts";
import { paddedVocab } from "../../../compiler/planner/padded-vocab.ts";
import { costsOf } from "../../../compiler/planner/costs.ts";
import { stageParameters } from "../../../compiler/planner/device-memory.ts";
import { modelPy } from "../../../compiler/torch/model-py.ts";
import { programTexts } from "../../../compiler/torch/program.ts";
import { parallelPy } from "../../../compiler/torch/parallel-py.ts";
import { initialOf, sizesJson } from "../../../compiler/torch/sizes-json.ts";
import { gatherTensor, programTensors, scatterTensor } from "../../../compiler/torch/weight-layout.ts";
import { weightsPy } from "../../../compiler/torch/weights-py.ts";
import { hyper } from "../../../runtime/contract/control.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { nameInLayer } from "../../../runtime/contract/parameter-names.ts";
import { writeHeader } from "../../../runtime/store/safetensors.ts";
import { PYTHON, pythonHas } from "../../support/debian-python.ts";
import { interpret, type Numbers } from "../../support/interpret.ts";
import { inProject } from "../../support/paths.ts";
import { numbersFor } from "../../support/slopes.ts";

const hasTorch = pythonHas("torch");
const canShard = pythonHas("torch.distributed.tensor");
const folder = mkdtempSync(join(tmpdir(), "sinter-torch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const specs = readdirSync(inProject("test/parity/specs")).map((file) => file.replace(".sinter", ""));
const modelOf = (path: string, name?: string): Model => {
  const { models } = check(readFileSync(inProject(path), "utf8"));
  return models.find((m) => m.name === name) ?? models[0]!;
};

interface Dense {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

function writeDoubles(path: string, tensors: Readonly<Record<string, Dense>>): void {
  const entries = Object.entries(tensors);
  const header = writeHeader(
    entries.map(([name, { shape }]) => ({ name, dtype: "F64", shape })),
    {},
  );
  const parts = entries.map(([, { values }]) => new Uint8Array(Float64Array.from(values).buffer));
  writeFileSync(path, Buffer.concat([header, ...parts]));
}

/** What the graph's references make of random weights and a batch, in the program's names and layout. */
function exactNumbers(model: Model): Record<string, Dense> {
  const { batch, context } = model.train;
  const forward = buildGraph(model, { entry: "train", batch, context });
  const graph = saveForBackward(differentiate(forward));
  const { vocab } = model.sizes;
  const given: Numbers = numbersFor(graph, { tokens: vocab, targets: vocab });
  const [tokens, targets] = [given.get("tokens")![0]!, given.get("targets")![0]!];
  const counted = targets.filter((t) => t >= 0).length;
  for (const value of graph.values.values())
    if (value.control === "hyper") given.get(value.name)![0]![hyper.scale] = 1 / counted;
  const after = interpret(graph, given);
  const dense = (storage: "parameter" | "gradient"): Map<string, Float64Array> =>
    new Map(
      [...graph.values.values()]
        .filter((v) => v.storage === storage && !v.members)
        .flatMap((v) =>
          after.get(v.name)!.map((slice, i) => {
            const name = v.of ?? v.name;
            return [v.layered ? nameInLayer(name, i) : name, slice] as const;
          }),
        ),
    );
  const laidOut = (prefix: string, numbers: Map<string, Float64Array>): [string, Dense][] =>
    programTensors(model).map((tensor) => {
      const length = tensor.shape.reduce((a, b) => a * b, 1);
      const from = numbers.get(tensor.of)!;
      const values = Float64Array.from({ length }, (_, i) => from[tensor.source(i)]!);
      return [prefix + tensor.name, { shape: tensor.shape, values }];
    });
  const losses = after.get("token_losses")![0]!;
  return Object.fromEntries([
    ...laidOut("weights.", dense("parameter")),
    ...laidOut("gradient.", dense("gradient")),
    ["tokens", { shape: [batch, context], values: tokens }],
    ["targets", { shape: [batch, context], values: targets }],
    ["logits", { shape: [batch * context, vocab], values: after.get("logits")![0]! }],
    ["loss", { shape: [1], values: [losses.reduce((a, b) => a + b, 0) / counted] }],
  ] as [string, Dense][]);
}

describe.skipIf(!hasTorch)("with PyTorch (Debian's python3-torch)", () => {
  test("every kind of layer: logits, loss and gradients in float64 within 1e-9", () => {
    const folders = specs.map((name) => {
      const at = join(folder, name);
      mkdirSync(at);
      const model = modelOf(`test/parity/specs/${name}.sinter`);
      writeFileSync(join(at, "model.py"), modelPy(model));
      writeFileSync(join(at, "weights.py"), weightsPy);
      writeFileSync(join(at, "model.json"), JSON.stringify(sizesJson(model, "", initialOf(model))));
      writeDoubles(join(at, "exact.safetensors"), exactNumbers(model));
      return at;
    });
    expect(folders.length).toBeGreaterThan(15);
    const script = inProject("test/compiler/torch/exact.py");
    const said = execFileSync(PYTHON, [script, ...folders], { encoding: "utf8" });
    const far = JSON.parse(said) as Record<string, Record<string, number>>;
    for (const [at, distances] of Object.entries(far))
      for (const [what, distance] of Object.entries(distances))
        expect(distance, `${what} of ${at}`).toBeLessThan(1e-9);
  });
});

describe.skipIf(!canShard)("with PyTorch 2.6 or later", () => {
  test("tensor parallelism divides what the plan counts as divided, the vocabulary too", () => {
    for (const [file, name, tensor, tables] of [
      ["llama3", "llama3.1-405b", 8, ["model.embed_tokens.weight", "lm_head.weight"]],
      ["gpt2", "gpt2", 4, ["model.embed_tokens.weight"]],
    ] as const) {
      const model = modelOf(`specs/${file}.sinter`, name);
      const at = join(folder, `divided-${name}`);
      const rows = paddedVocab(model.sizes.vocab);
      const texts = { "model.py": modelPy(model), "parallel.py": parallelPy, "weights.py": weightsPy };
      mkdirSync(at);
      for (const [text, contents] of Object.entries(texts)) writeFileSync(join(at, text), contents);
      writeFileSync(join(at, "model.json"), JSON.stringify(sizesJson(model, "", initialOf(model))));
      const script = inProject("test/compiler/torch/divided.py");
      const said = execFileSync(PYTHON, [script, at, `${tensor}`], { encoding: "utf8" });
      const alone = { shard: 1, context: 1, pipeline: 1, expert: 1, devices: tensor };
      const { all } = stageParameters(costsOf(model), { ...alone, tensor });
      const padding = ((rows - model.sizes.vocab) * model.sizes.width * tables.length) / tensor;
      expect(JSON.parse(said)).toEqual({
        parameters: all + padding,
        tables: Object.fromEntries(tables.map((table) => [table, [rows / tensor, model.sizes.width]])),
      });
    }
  });
});

test("model.py is the same text for a model and its shadow, of all whose cost everyone quotes", () => {
  for (const [file, name] of [
    ["gpt2", "gpt2-xl"],
    ["gpt3", "gpt3-175b"],
    ["gpt4-rumour", "gpt4-rumour-16x111b"],
    ["gpt4-rumour", "gpt4-rumour-8x220b"],
    ["llama3", "llama3-8b"],
    ["llama3", "llama3-70b"],
    ["llama3", "llama3.1-8b"],
    ["llama3", "llama3.1-70b"],
    ["llama3", "llama3.1-405b"],
  ]) {
    const model = modelOf(`specs/${file}.sinter`, name);
    expect(modelPy(shadowOf(model))).toBe(modelPy(model));
    for (const size of Object.values(model.sizes).filter((n) => n > 2 && n !== 64))
      expect(modelPy(model)).not.toMatch(new RegExp(`\\b${size}\\b`));
  }
});

test("GPT-2's tables have 50,304 rows in the program, and 50,257 in its files", () => {
  const model = modelOf("specs/gpt2.sinter");
  expect(sizesJson(model, "", initialOf(model))).toMatchObject({ vocab: 50_257, padded_vocab: 50_304 });
  expect(programTensors(model)[0]!.shape).toEqual([50_257, 768]);
});

test("Llama has Hugging Face's names; tensors come back as they were", () => {
  const model = modelOf("test/parity/specs/llama.sinter");
  const tensors = programTensors(model);
  expect(tensors.map(({ name }) => name).slice(0, 10)).toEqual([
    "model.embed_tokens.weight",
    "model.layers.0.input_layernorm.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.0.self_attn.k_proj.weight",
    "model.layers.0.self_attn.v_proj.weight",
    "model.layers.0.self_attn.o_proj.weight",
    "model.layers.0.post_attention_layernorm.weight",
    "model.layers.0.mlp.gate_proj.weight",
    "model.layers.0.mlp.up_proj.weight",
    "model.layers.0.mlp.down_proj.weight",
  ]);
  expect(tensors.slice(-2).map(({ name }) => name)).toEqual(["model.norm.weight", "lm_head.weight"]);
  const seen = new Map<string, Float32Array>();
  for (const tensor of tensors) {
    const length = tensor.ofShape.reduce((a, b) => a * b, 1);
    const source = Float32Array.from({ length }, (_, i) => i + 1);
    const back = seen.get(tensor.of) ?? new Float32Array(length);
    scatterTensor(tensor, gatherTensor(tensor, source), back);
    seen.set(tensor.of, back);
  }
  for (const back of seen.values()) expect(back).toEqual(Float32Array.from(back, (_, i) => i + 1));
});

test("a program planned on a device of the spec's own says whose figures those are", async () => {
  const spec = readFileSync(inProject("specs/gpt2.sinter"), "utf8");
  const { judged } = checkWithPlans(`${spec}
    hardware slow like h100 { power 500 }
    plan small of gpt2 on slow { devices 8 }  plan plain of gpt2 on h100 { devices 8 }`);
  const texts = async (name: string): Promise<ReadonlyMap<string, string>> => {
    const { plan } = judged.find(({ block }) => block.name === name)!;
    const { model } = plan.costs;
    return programTexts(model, shadowOf(model, 1e5), plan, {});
  };
  const planOf = async (name: string) => JSON.parse((await texts(name)).get("plan.json")!) as object;
  const figures = "from the spec: power; the rest as NVIDIA H100 SXM 80 GB";
  expect(await planOf("small")).toMatchObject({ hardware: "slow", figures });
  expect(await planOf("plain")).not.toHaveProperty("figures");
  // which is how clouds know it
  expect((await texts("small")).get("sky.yaml")).toContain("H100:8");
  expect((await texts("at-home")).get("sky.yaml")).toContain("RTX4090");
  expect((await texts("small")).get("parallel.py")).toContain("planned['figures']");
});
