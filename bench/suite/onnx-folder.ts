/**
 * Writes a GPT-2 model as a folder that ONNX Runtime opens: model.onnx, weights.bin, and the outputs of
 * Sinter's own kernels for a prompt (expected.bin, facts.json).
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileModel } from "../../compiler/compile.ts";
import { bestTarget } from "../../runtime/engine/choose-target.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { checkpointName } from "../../runtime/engine/tensors.ts";
import { promptTokens } from "../measure/random-tokens.ts";
import { benchModel } from "./bench-models.ts";
import { gpt2Onnx, gpt2Weights, type Gpt2Sizes } from "../peers/onnx-gpt2.ts";
import type { Facts } from "../peers/onnxruntime.ts";

/**
 * The model's layer is that of GPT-2: biases, tanh gelu, tied output. `next`: tokens fed one by one after the
 * prompt.
 */
export async function writeOnnxFolder(
  folder: string,
  model: RunningModel,
  prompt: readonly number[],
  next: readonly number[],
): Promise<void> {
  const { vocab, context, width, layers, heads } = model.manifest.model.sizes;
  const hidden = model.tensors.get("layers.mlp.up.weight")!.place.shape[1]!;
  const sizes: Gpt2Sizes = { vocab, context, width, layers, heads, hidden };
  const file = openSync(join(folder, "weights.bin"), "w");
  const slices = slicesByName(model);
  try {
    for (const { name } of gpt2Weights(sizes)) writeAll(file, slices.get(name)!());
  } finally {
    closeSync(file);
  }
  writeFileSync(join(folder, "model.onnx"), gpt2Onnx(sizes, "weights.bin"));
  // copied, because feed returns the same array each time
  const expected = [(await model.feed(prompt, 0)).slice()];
  for (const [i, token] of next.entries())
    expected.push((await model.feed([token], prompt.length + i)).slice());
  writeFileSync(
    join(folder, "expected.bin"),
    Buffer.concat(expected.map((logits) => Buffer.from(logits.buffer, logits.byteOffset, logits.byteLength))),
  );
  writeFileSync(
    join(folder, "facts.json"),
    JSON.stringify({ layers, heads, headDim: width / heads, vocab, prompt, next } satisfies Facts),
  );
}

/** "layers.3.mlp.up.weight" → its numbers, dense. */
function slicesByName(model: RunningModel): ReadonlyMap<string, () => Float32Array> {
  const all = new Map<string, () => Float32Array>();
  for (const t of model.of("parameter"))
    for (let slice = 0; slice < t.place.slices; slice++)
      all.set(checkpointName(t.place, slice), () => t.dense(slice) as Float32Array);
  return all;
}

function writeAll(file: number, numbers: Float32Array): void {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

/** Two steps of decoding are checked: the second reads what the first put into the cache. */
const NEXT = [11, 4711];

/**
 * A temporary folder (500 MB for GPT-2 124M) with a bench model of random weights, for as long as `use`
 * takes.
 */
export async function withOnnxFolder<T>(size: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "sinter-onnx-"));
  try {
    const bundle = await compileModel(benchModel(size), {
      targets: [await bestTarget(nodeHost)],
      modules: ["infer"],
    });
    const model = await createModel(bundle, "infer", { host: nodeHost, seed: 1 });
    try {
      await writeOnnxFolder(folder, model, promptTokens(benchModel(size).sizes.vocab), NEXT);
    } finally {
      await model.close();
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
