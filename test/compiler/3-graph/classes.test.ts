/**
 * An output with fewer classes than there are ids. The checker lets none through yet; a graph, a module and
 * the runtime do.
 */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { verifyGraph } from "../../../compiler/3-graph/verify.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { saveForBackward } from "../../../compiler/4-grad/save.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { Expression, Model } from "../../../runtime/contract/model.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { selfCheck } from "../../../runtime/engine/self-check.ts";
import { withSharedMemory } from "../../../runtime/contract/memory-import.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { createSession } from "../../../runtime/sample/session.ts";
import { numbersFor, sumOf, worstSlope } from "../../support/slopes.ts";

const CLASSES = 5;
const IDS = 40;
const source = `model classes {
  vocab ${IDS}   context 16   width 32   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x)) x += mlp(layernorm(x), hidden: 32, activation: relu2) }
  output linear(layernorm(x), bias: true)
  tokenizer characters
  train { batch 2  context 16 }
}`;

function withClasses(model: Model): Model {
  const output = model.output as Extract<Expression, { kind: "apply" }>;
  return { ...model, output: { ...output, part: { ...output.part, out: CLASSES } as typeof output.part } };
}
const model = withClasses(checkSource(source).models[0]!);

describe("five classes of forty ids", () => {
  test("gradients are the slopes of the loss", () => {
    const start = buildGraph(model, { entry: "train", batch: 2, context: 16 });
    expect(start.values.get("logits")!.shape).toEqual([32, CLASSES]);
    const graph = saveForBackward(differentiate(start));
    verifyGraph(graph, "save");
    const given = numbersFor(graph, { tokens: IDS, targets: CLASSES });
    const { worst, where, largest } = worstSlope(start, graph, given, sumOf(["token_losses"]));
    expect(largest).toBeGreaterThan(1e-3);
    expect(worst, where).toBeLessThan(1);
  });

  test("a module learns them, its logits are as many, and its check of itself keeps to them", async () => {
    const compiled = await compileModel(model, { targets: ["simd"], modules: ["train"], verify: true });
    const module = compiled.manifest.modules.train!;
    const running = await createModel(compiled, "train", {
      host: nodeHost,
      workers: 1,
      target: "simd",
      seed: 4,
    });
    const tokens = Int32Array.from({ length: 32 }, (_, i) => (i * 7 + 3) % IDS);
    const batch = { tokens, targets: tokens.map((t) => t % CLASSES) };
    let loss = 0;
    for (let step = 1; step <= 60; step++) ({ loss } = await running.trainStep([batch], { lr: 1e-2, step }));
    expect(loss).toBeLessThan(0.1);
    const logits = await running.feed([...tokens.subarray(0, 16)], 0);
    expect(logits.length).toBe(CLASSES);
    expect(logits.indexOf(Math.max(...logits))).toBe(batch.targets[15]);
    const { logits: same } = await createSession(running).feed([...tokens.subarray(0, 16)]);
    expect([...same]).toEqual([...logits]);
    await running.close();

    const memory = new WebAssembly.Memory({ initial: module.memoryPages, maximum: module.memoryPages });
    const file = module.wasm.simd!;
    const wasm = compiled.files.get(file.file)!;
    const code = new WebAssembly.Module(withSharedMemory(wasm, file.memoryFlagOffset, false));
    expect(selfCheck(compiled.manifest, { manifest: module, memory }, code, code)).toBeUndefined();
    const { offset, shape } = module.tensors.find((t) => t.name === "targets")!;
    const targets = new Int32Array(memory.buffer, offset, shape[0]);
    expect(Math.max(...targets)).toBe(CLASSES - 1);
  });
});
