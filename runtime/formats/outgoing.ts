/**
 * What a model's tensors are called, shaped and typed in the file it goes out to, and their numbers, gathered
 * from a checkpoint.
 */
import type { OpenCheckpoint } from "../store/checkpoint-file.ts";
import type { Architecture } from "./architecture/architecture.ts";
import { NO_SINK, sinksName } from "./gguf/gguf-config.ts";
import { ropeFactors, ROPE_FACTORS } from "./gguf/gguf-rope.ts";
import { linksOf, scatter, type Link, type Piece } from "./architecture/links.ts";
import { storedRows } from "../store/stored-format.ts";
import { numberFormats, type FloatFormat } from "../contract/number-formats.ts";
import { classOf, ggufClasses, huggingFaceClasses } from "./architecture/published-classes.ts";
import type { Recognised } from "./architecture/recognise.ts";
import { PIECE } from "./kit/weights.ts";

export type OutgoingForm = "hf" | "gguf";
/**
 * One for all matrices; "kept": of each the one that the checkpoint keeps it in, and F32 where the form has
 * no such.
 */
export type OutgoingType = FloatFormat | "kept";

export interface OutgoingTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: FloatFormat;
  values(): Promise<Float32Array<ArrayBuffer>>;
  /** Its bytes as they are kept, where they are kept just so: blocks go out as they came in, bit for bit. */
  stored?(): Promise<Uint8Array>;
}

export interface Outgoing {
  readonly architecture: Architecture;
  /** model_type, or general.architecture. */
  readonly type: string;
  /** Most of the numbers are in this one. */
  readonly numbers: FloatFormat;
  readonly tensors: readonly OutgoingTensor[];
  readonly notes: readonly string[];
}

/** A checkpoint, or whatever else knows the model's numbers by Sinter's names. */
export interface WeightSource
  extends Pick<OpenCheckpoint, "read">, Partial<Pick<OpenCheckpoint, "formatOf" | "rows">> {
  readonly tensors: { has(name: string): boolean };
}

/** Throws `input` where the form has no place for something of the model. */
export function outgoing(
  { architecture: own, stems }: Recognised,
  checkpoint: WeightSource,
  form: OutgoingForm,
  type: OutgoingType,
): Outgoing {
  const published =
    form === "gguf" ? classOf(own, ggufClasses, "GGUF") : classOf(own, huggingFaceClasses, "Hugging Face");
  const { naming } = published;
  const architecture = { ...own, bias: published.biases(own) };
  const gpt2 = own.family === "gpt2";
  const notes: string[] = [];
  const links = linksOf(architecture, stems, { naming, fused: gpt2, inOut: form === "hf" && gpt2 });
  const prefix = form === "hf" ? (gpt2 ? "transformer." : "model.") : "";
  const read = reader(checkpoint);
  if (links.some(({ name }) => !checkpoint.tensors.has(name)))
    notes.push("biases that the model lacks are written as zeros");
  const fallen = new Set<string>();
  const keptType = (name: string): FloatFormat => {
    const kept = checkpoint.tensors.has(name) ? (checkpoint.formatOf?.(name).type ?? "F32") : "F32";
    return form === "hf" && numberFormats[kept].block > 1 ? "F32" : kept;
  };
  const tensors = links.flatMap((link) =>
    link.pieces.map((piece): OutgoingTensor => {
      const wanted = type === "kept" ? keptType(link.name) : type;
      const chosen = typeFor(piece, wanted);
      if (chosen !== wanted && chosen === "F16")
        fallen.add(
          `${wanted} goes in blocks of ${numberFormats[wanted].block}: matrices [${piece.shape}] are ` +
            "written as F16",
        );
      return {
        name: `${piece.name.startsWith("lm_head.") ? "" : prefix}${piece.name}`,
        shape: piece.shape,
        type: chosen,
        values: async () => scatter(link, piece, await read(link)),
        ...storedAlike(link, piece, chosen, checkpoint),
      };
    }),
  );
  notes.push(...fallen);
  const { rope, headDim, layers, heads } = architecture;
  if (published.type === "granite_swa") {
    notes.push(
      "a sliding window goes out as architecture granite_swa: programs that do not know it refuse the file",
    );
    for (let i = 0; i < layers; i++)
      tensors.push({
        name: sinksName(i),
        shape: [heads],
        type: "F32",
        values: async () => new Float32Array(heads).fill(NO_SINK),
      });
  }
  if (form === "gguf" && rope?.scaling) {
    const factors = ropeFactors(rope.theta, headDim, rope.scaling);
    tensors.unshift({
      name: ROPE_FACTORS,
      shape: [factors.length],
      type: "F32",
      values: async () => factors,
    });
  }
  return { architecture, type: published.type, numbers: mostOf(tensors), tensors, notes };
}

function mostOf(tensors: readonly OutgoingTensor[]): FloatFormat {
  const count = new Map<FloatFormat, number>();
  for (const { type, shape } of tensors)
    count.set(type, (count.get(type) ?? 0) + shape.reduce((a, b) => a * b, 1));
  return [...count].reduce((most, one) => (one[1] > most[1] ? one : most))[0];
}

/** Rows of the piece, when the checkpoint keeps them in this format and order. */
function storedAlike(
  link: Link,
  piece: Piece,
  type: FloatFormat,
  { tensors, formatOf, rows }: WeightSource,
): Pick<OutgoingTensor, "stored"> {
  const { name, shape } = link;
  if (!formatOf || !rows || !tensors.has(name) || shape.length < 2 || piece.halves > 0) return {};
  const stored = formatOf(name);
  const { rows: all, rowsEach, columns, rowBytes } = storedRows(shape, stored);
  if (
    stored.type !== type ||
    stored.transposed !== piece.turned ||
    columns % numberFormats[type].block !== 0 ||
    (piece.matrices > 1 && piece.columns !== rowsEach)
  )
    return {};
  const [begin, count] = piece.turned
    ? [piece.matrix * rowsEach + piece.from, piece.matrices * piece.columns]
    : [0, all];
  return {
    async stored() {
      const out = new Uint8Array(count * rowBytes);
      await rows(name, shape, (bytes, first, n) => {
        const from = Math.max(first, begin);
        const to = Math.min(first + n, begin + count);
        if (from < to)
          out.set(
            bytes.subarray((from - first) * rowBytes, (to - first) * rowBytes),
            (from - begin) * rowBytes,
          );
      });
      return out;
    },
  };
}

/** Rows that are no whole blocks can not be kept in a format that has them. */
function typeFor({ shape, exact }: Piece, type: FloatFormat): FloatFormat {
  if (exact) return "F32";
  return shape.at(-1)! % numberFormats[type].block === 0 ? type : "F16";
}

/**
 * Sinter's tensors one after the other; the last one is kept, since several published ones may be made of it.
 */
function reader(checkpoint: WeightSource): (link: Link) => Promise<Float32Array> {
  let last: { name: string; values: Float32Array } | undefined;
  return async ({ name, shape }) => {
    if (last?.name === name) return last.values;
    const values = checkpoint.tensors.has(name)
      ? await checkpoint.read(name, shape)
      : new Float32Array(shape.reduce((a, b) => a * b, 1));
    last = { name, values };
    return values;
  };
}

/** Numbers in the file's format, in pieces. */
export function* encoded(values: Float32Array, type: FloatFormat): Generator<Uint8Array> {
  const { block, bytes, encode } = numberFormats[type];
  for (let at = 0; at < values.length; at += PIECE) {
    const part = values.subarray(at, Math.min(values.length, at + PIECE));
    const out = new Uint8Array((part.length / block) * bytes);
    encode(part, out);
    yield out;
  }
}
