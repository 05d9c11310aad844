/**
 * npm run study -- large-file SPEC [--model NAME] [--set context=2048]… [--to gguf|hf] [--dtype Q4_0]
 * [--shards 2] -o PATH
 *
 * A published file (GGUF) or folder (Hugging Face, in shards) of any size with weights drawn at random, to
 * see how large models are imported, loaded and used: /usr/bin/time -v sinter import …, sinter sample …. Rows
 * are drawn and encoded once for each width and laid one after the other, so that a file takes as long as the
 * disk; the tokenizer is ids.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { OpenCheckpoint } from "../../runtime/store/checkpoint-file.ts";
import type { WritableFile } from "../../runtime/base/files.ts";
import { ggufPairs } from "../../runtime/formats/gguf/gguf-config.ts";
import { fileTypes } from "../../runtime/formats/gguf/gguf-types.ts";
import { ggufHeader, paddingAfter, tensorBytes } from "../../runtime/formats/gguf/gguf-write.ts";
import { CONFIG_FILE } from "../../runtime/formats/huggingface/huggingface-common.ts";
import { configOf } from "../../runtime/formats/huggingface/huggingface-out.ts";
import { numberFormats, type FloatFormat } from "../../runtime/contract/number-formats.ts";
import { outgoing, type OutgoingTensor } from "../../runtime/formats/outgoing.ts";
import { recognise } from "../../runtime/formats/architecture/recognise.ts";
import { INDEX_FILE } from "../../runtime/formats/safetensors-weights.ts";
import { tokenizerPairs } from "../../runtime/formats/tokenizer-to-gguf.ts";
import { normalNumbers } from "../../bench/measure/drawn-weights.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { sizeText } from "../../runtime/contract/amounts.ts";
import { writeHeader, type SafeDType } from "../../runtime/store/safetensors.ts";
import { idTokenizer } from "../../runtime/tokenizers/plain/ids.ts";
import { missing, modelIn } from "./asked.ts";

const {
  values: o,
  positionals: [spec],
} = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    set: { type: "string", multiple: true, default: [] },
    to: { type: "string", default: "gguf" },
    dtype: { type: "string", default: "Q4_0" },
    shards: { type: "string", default: "1" },
    out: { type: "string", short: "o" },
  },
});
if (
  !spec ||
  o.out === undefined ||
  (o.to !== "gguf" && o.to !== "hf") ||
  !Object.hasOwn(numberFormats, o.dtype)
)
  throw missing("SPEC and -o PATH say what is written where, --to gguf|hf and --dtype as what");
const type = o.dtype as FloatFormat;
const out = o.out;
const files = nodeFiles();
const shards = Number(o.shards);
const model = modelIn(spec, o.model, o.set);

/** A checkpoint for `outgoing` where no numbers are read: it says that every tensor is there. */
const nothing = { tensors: { has: () => true } } as unknown as OpenCheckpoint;
const { architecture, type: published, tensors } = outgoing(recognise(model), nothing, o.to, type);
const tokenizer = idTokenizer(architecture.vocab);

const ROWS = 61;
const STD = 0.02;
const normal = normalNumbers(1, "large file");
const drawn = new Map<string, Uint8Array>();
/** Rows of this width, drawn and encoded, one after the other. */
function rowsOf(width: number, format: FloatFormat): Uint8Array {
  const known = drawn.get(`${width} ${format}`);
  const { block, bytes, encode } = numberFormats[format];
  const rowBytes = (width / block) * bytes;
  const made = known ?? new Uint8Array(ROWS * rowBytes);
  if (!known)
    for (let r = 0; r < ROWS; r++)
      encode(
        Float32Array.from({ length: width }, (_, k) => STD * normal[(r * 7919 + k) % normal.length]!),
        made.subarray(r * rowBytes, (r + 1) * rowBytes),
      );
  drawn.set(`${width} ${format}`, made);
  return made;
}

async function writeTensor(file: WritableFile, tensor: OutgoingTensor): Promise<void> {
  const { shape, type: format } = tensor;
  const total = tensorBytes(tensor);
  // weights of norms
  if (shape.length === 1) return file.write(new Uint8Array(new Float32Array(shape[0]!).fill(1).buffer));
  const rows = rowsOf(shape.at(-1)!, format);
  // begins at another row for each tensor, so that no two are alike
  const first = (tensors.indexOf(tensor) % ROWS) * (rows.length / ROWS);
  for (let at = 0; at < total;) {
    const piece =
      at === 0
        ? rows.subarray(first, Math.min(rows.length, first + total))
        : rows.subarray(0, Math.min(rows.length, total - at));
    await file.write(piece);
    at += piece.length;
  }
}

const began = performance.now();
let bytes = 0;
if (o.to === "gguf") {
  const file = await files.create(out);
  const header = ggufHeader(
    [
      ...ggufPairs(architecture, published, fileTypes[type]!),
      ...tokenizerPairs(tokenizer, architecture.vocab).out,
    ],
    tensors,
  );
  await file.write(header);
  bytes = header.length;
  for (const tensor of tensors) {
    await writeTensor(file, tensor);
    await file.write(new Uint8Array(paddingAfter(tensorBytes(tensor))));
    bytes += tensorBytes(tensor) + paddingAfter(tensorBytes(tensor));
  }
  await file.close();
} else {
  mkdirSync(out, { recursive: true });
  const places: Record<string, string> = {};
  const each = Math.ceil(tensors.length / shards);
  const names = Array.from({ length: shards }, (_, i) => `model-0000${i + 1}-of-0000${shards}.safetensors`);
  for (const [i, name] of names.entries()) {
    const part = tensors.slice(i * each, (i + 1) * each);
    const file = await files.create(join(out, name));
    await file.write(
      writeHeader(
        part.map(({ name: tensor, type: format, shape }) => ({
          name: tensor,
          dtype: format as SafeDType,
          shape,
        })),
        { format: "pt" },
      ),
    );
    for (const tensor of part) {
      await writeTensor(file, tensor);
      places[tensor.name] = name;
      bytes += tensorBytes(tensor);
    }
    await file.close();
  }
  await write(CONFIG_FILE, configOf(architecture, published, type, { bos: undefined, eos: undefined }));
  await write(INDEX_FILE, { metadata: { total_size: bytes }, weight_map: places });
}
console.log(
  `${out}: ${model.name}, ${tensors.length} tensors, ${sizeText(bytes)} in ` +
    `${((performance.now() - began) / 1000).toFixed(1)} s, in ${dirname(out)}`,
);

async function write(name: string, value: unknown): Promise<void> {
  const file = await files.create(join(out, name));
  await file.write(new TextEncoder().encode(JSON.stringify(value, null, 1)));
  await file.close();
}
