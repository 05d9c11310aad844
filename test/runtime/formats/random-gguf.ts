/**
 * GGUF files of a small Llama with random blocks of any format. The numbers have the size of real weights,
 * and one token is clearly the likeliest.
 */
import { ggufPairs } from "../../../runtime/formats/gguf/gguf-config.ts";
import type { Architecture } from "../../../runtime/formats/architecture/architecture.ts";
import { ggufHeader, paddingAfter, tensorBytes } from "../../../runtime/formats/gguf/gguf-write.ts";
import { linksOf } from "../../../runtime/formats/architecture/links.ts";
import { namings, roles, type Stems } from "../../../runtime/formats/architecture/naming.ts";
import { f32ToF16, numberFormats, type FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { tokenizerPairs } from "../../../runtime/formats/tokenizer-to-gguf.ts";
import { readFormats, type ReadFormat } from "../../../runtime/formats/kit/weights.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { idTokenizer } from "../../../runtime/tokenizers/plain/ids.ts";
import { smallLlama } from "../../support/small-models.ts";

/**
 * Formats whose blocks are random bits; other formats are encoded. For each F16 number of a block: its byte
 * offset, and a value with which random bits give numbers around ±0.06.
 */
const scales: Readonly<Partial<Record<ReadFormat, readonly (readonly [number, number])[]>>> = {
  Q4_1: [
    [0, 0.0136],
    [2, -0.102],
  ],
  Q5_0: [[0, 0.0068]],
  Q5_1: [
    [0, 0.0068],
    [2, -0.105],
  ],
  IQ4_NL: [[0, 0.0009]],
  Q2_K: [
    [80, 0.005],
    [82, 0.0075],
  ],
  Q3_K: [[108, 0.0015]],
  Q4_K: [
    [0, 0.0002],
    [2, 0.0015],
  ],
  Q5_K: [
    [0, 0.0001],
    [2, 0.00155],
  ],
  Q6_K: [[208, 0.00005]],
  IQ4_XS: [[0, 0.00005]],
};

/** `type` is the format of all matrices, or a function of the published name ("blk.0.attn_v.weight"). */
export function randomGguf(
  type: ReadFormat | ((name: string) => ReadFormat),
  seed: number,
  a: Architecture = smallLlama,
): Uint8Array {
  const { word } = randomStream(seed, "gguf");
  const stems: Stems = Object.fromEntries(roles.map((role) => [role, role]));
  const tensors = linksOf(a, stems, { naming: namings.gguf, fused: false, inOut: false })
    .flatMap(({ pieces }) => pieces)
    .map(({ name, shape }) => ({
      name,
      shape,
      type: shape.length === 1 ? ("F32" as const) : typeof type === "string" ? type : type(name),
    }));
  const parts: Uint8Array[] = [
    ggufHeader([...ggufPairs(a, "llama", 0), ...tokenizerPairs(idTokenizer(a.vocab), a.vocab).out], tensors),
  ];
  for (const t of tensors) {
    const out = new Uint8Array(tensorBytes(t) + paddingAfter(tensorBytes(t)));
    const { bytes } = readFormats[t.type];
    const at = scales[t.type];
    if (!at) {
      const values = Float32Array.from({ length: t.shape.reduce((x, y) => x * y, 1) }, () =>
        t.shape.length === 1 ? 1 : 0.2 * (word() / 2 ** 32 - 0.5),
      );
      numberFormats[t.type as FloatFormat].encode(values, out.subarray(0, tensorBytes(t)));
    } else {
      const words = new Uint32Array(Math.ceil(out.length / 4)).map(word);
      out.set(new Uint8Array(words.buffer, 0, tensorBytes(t)));
      for (let from = 0; from < tensorBytes(t); from += bytes)
        for (const [k, value] of at) {
          const half = f32ToF16(value * (0.5 + word() / 2 ** 32));
          out.set([half & 255, half >>> 8], from + k);
        }
    }
    parts.push(out);
  }
  return new Uint8Array(Buffer.concat(parts));
}
