/**
 * Writes a GGUF file of a spec's model with random weights, for measurements that do not depend on them.
 * Weights are drawn tensor by tensor like those of a new model; only the tensor at hand is in memory.
 */
import { stdOf } from "../../runtime/contract/storage.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { compileModel } from "../../compiler/compile.ts";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import type { OpenCheckpoint } from "../../runtime/store/checkpoint-file.ts";
import type { Files } from "../../runtime/base/files.ts";
import { ggufPairs } from "../../runtime/formats/gguf/gguf-config.ts";
import { fileTypes } from "../../runtime/formats/gguf/gguf-types.ts";
import { ggufHeader, paddingAfter, tensorBytes } from "../../runtime/formats/gguf/gguf-write.ts";
import type { FloatFormat } from "../../runtime/contract/number-formats.ts";
import { encoded, outgoing } from "../../runtime/formats/outgoing.ts";
import { recognise } from "../../runtime/formats/architecture/recognise.ts";
import { tokenizerPairs } from "../../runtime/formats/tokenizer-to-gguf.ts";
import { randomStream } from "../../runtime/base/random.ts";
import { plainFormat } from "../../runtime/store/stored-format.ts";
import { checkpointName } from "../../runtime/engine/tensors.ts";
import { fillFrom, normalNumbers } from "./drawn-weights.ts";
import type { Tokenizer } from "../../runtime/tokenizers/base/tokenizer.ts";

/**
 * Returns the number of bytes written. `options`: as the model will be compiled; targets and formats make no
 * difference here.
 */
export async function writeRandomGguf(
  files: Files,
  path: string,
  model: Model,
  tokenizer: Tokenizer,
  type: FloatFormat,
  options: CompileOptions = { targets: ["simd"] },
): Promise<number> {
  const {
    architecture,
    type: published,
    tensors,
  } = outgoing(recognise(model), await drawn(model, options), "gguf", type);
  const { out: pairs } = tokenizerPairs(tokenizer, architecture.vocab);
  const file = await files.create(path);
  const header = ggufHeader([...ggufPairs(architecture, published, fileTypes[type]!), ...pairs], tensors);
  let bytes = header.length;
  await file.write(header);
  for (const tensor of tensors) {
    for (const piece of encoded(await tensor.values(), tensor.type)) await file.write(piece);
    const padding = paddingAfter(tensorBytes(tensor));
    await file.write(new Uint8Array(padding));
    bytes += tensorBytes(tensor) + padding;
  }
  await file.close();
  return bytes;
}

/**
 * Looks like a checkpoint to its readers. Normal numbers are drawn once, and every tensor begins at another
 * place among them.
 */
async function drawn(model: Model, options: CompileOptions): Promise<OpenCheckpoint> {
  const { manifest } = await compileModel(model, { ...options, modules: ["infer"], weights: "f32" });
  const normal = normalNumbers(1, "random gguf");
  const places = manifest.modules.infer!.tensors.filter((t) => t.storage === "parameter");
  const inits = new Map(
    places.flatMap((t) =>
      Array.from({ length: t.slices }, (_, slice) => [checkpointName(t, slice), t.init] as const),
    ),
  );
  let from = 0;
  return {
    path: model.name,
    state: { step: 0, tokens: 0, batches: randomStream(1, "batches").state(), identity: {} },
    close: async () => {},
    formatOf: () => plainFormat,
    rows: () => Promise.reject(new Error("plain tensors are read whole")),
    tensors: new Map(
      [...inits.keys()].map((name) => [name, { name, dtype: "F32", shape: [], begin: 0, end: 0 }]),
    ),
    async read(name, shape) {
      const init = inits.get(name)!;
      const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (init?.kind === "constant") return out.fill(init.value);
      from = (from + 7919) % normal.length;
      return fillFrom(out, normal, from, stdOf(init!));
    },
  };
}
