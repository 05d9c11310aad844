/** What a model's tensors are called, shaped and typed in the file it goes out to, and their numbers, gathered from a checkpoint. */
import type { OpenCheckpoint } from "../checkpoint.ts";
import { SinterError } from "../errors.ts";
import type { Architecture } from "./architecture.ts";
import { ropeFactors, ROPE_FACTORS } from "./gguf-config.ts";
import { linksOf, scatter, type Link, type Piece } from "./links.ts";
import { namings } from "./naming.ts";
import { numberFormats, type FloatFormat } from "./numbers.ts";
import type { Recognised } from "./recognise.ts";
import { PIECE } from "./weights.ts";

export type OutgoingForm = "hf" | "gguf";

export interface OutgoingTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: FloatFormat;
  values(): Promise<Float32Array<ArrayBuffer>>;
}

export interface Outgoing {
  readonly architecture: Architecture;
  readonly tensors: readonly OutgoingTensor[];
  readonly notes: readonly string[];
}

/** Throws `input` where the form has no place for something of the model. */
export function outgoing({ architecture: own, stems }: Recognised, checkpoint: OpenCheckpoint, form: OutgoingForm, type: FloatFormat): Outgoing {
  const architecture = asPublished(own, form), notes: string[] = [];
  const naming = form === "gguf" ? namings.gguf : namings[own.family], gpt2 = own.family === "gpt2";
  const links = linksOf(architecture, stems, { naming, fused: gpt2, inOut: form === "hf" && gpt2 });
  const prefix = form === "hf" ? gpt2 ? "transformer." : "model." : "";
  const read = reader(checkpoint);
  if (links.some(({ name }) => !checkpoint.tensors.has(name))) notes.push("biases that the model lacks are written as zeros");
  const fallen = new Set<string>();
  const tensors = links.flatMap((link) => link.pieces.map((piece): OutgoingTensor => {
    const chosen = typeFor(piece, type, naming.names.position);
    if (chosen !== type && piece.shape.length > 1 && chosen === "F16") fallen.add(`[${piece.shape}]`);
    return {
      name: `${piece.name.startsWith("lm_head.") ? "" : prefix}${piece.name}`, shape: piece.shape, type: chosen,
      values: async () => scatter(link, piece, await read(link)),
    };
  }));
  if (fallen.size > 0) notes.push(`${type} goes in blocks of ${numberFormats[type].block}: matrices ${[...fallen].join(", ")} are written as F16`);
  const { rope, headDim } = architecture;
  if (form === "gguf" && rope?.scaling) {
    const factors = ropeFactors(rope.theta, headDim, rope.scaling);
    tensors.unshift({ name: ROPE_FACTORS, shape: [factors.length], type: "F32", values: async () => factors });
  }
  return { architecture, tensors, notes };
}

/** With the biases that every model of the form has. */
function asPublished(a: Architecture, form: OutgoingForm): Architecture {
  const { bias } = a, what = form === "gguf" ? `GGUF's ${a.family}` : `Hugging Face's ${a.family}`;
  const refuse = (why: string): never => {
    throw new SinterError("input", `${a.name}: ${why}`, `${what} has no place for it.`);
  };
  if (bias.head) refuse("its output has a bias");
  if (a.family === "gpt2") {
    if (form === "gguf" && a.activation !== "gelu_tanh") refuse(`its activation is ${a.activation}`);
    return { ...a, bias: { norm: true, qkv: true, attentionOut: true, ffn: true, head: false } };
  }
  if (bias.norm) refuse("its norms have biases");
  if (form === "gguf" && a.activation !== "silu") refuse(`its gate goes through ${a.activation}`);
  const attention = bias.qkv || bias.attentionOut;
  return form === "hf" ? { ...a, bias: { ...bias, qkv: attention, attentionOut: attention } } : a;
}

/** Vectors and positions stay f32: they are small, and every row of theirs counts. */
function typeFor({ name, shape }: Piece, type: FloatFormat, position: string | undefined): FloatFormat {
  const { block } = numberFormats[type];
  if (block === 1 && type !== "F32" && shape.length > 1 && name !== `${position}.weight`) return type;
  if (shape.length === 1 || name === `${position}.weight`) return "F32";
  return shape.at(-1)! % block === 0 ? type : "F16";
}

/** Sinter's tensors one after the other; the last one is kept, since three published ones may be made of it. */
function reader(checkpoint: OpenCheckpoint): (link: Link) => Promise<Float32Array> {
  let last: { name: string; values: Float32Array } | undefined;
  return async ({ name, shape }) => {
    if (last?.name === name) return last.values;
    const values = checkpoint.tensors.has(name) ? await checkpoint.read(name, shape) : new Float32Array(shape.reduce((a, b) => a * b, 1));
    last = { name, values };
    return values;
  };
}

/** Numbers in the file's format, in pieces. */
export function* encoded(values: Float32Array, type: FloatFormat): Generator<Uint8Array> {
  const { block, bytes, encode } = numberFormats[type];
  for (let at = 0; at < values.length; at += PIECE) {
    const part = values.subarray(at, Math.min(values.length, at + PIECE)), out = new Uint8Array((part.length / block) * bytes);
    encode(part, out);
    yield out;
  }
}
