/**
 * A model on its way out to a published form: what its tensors are called there, their shapes and number
 * formats, and their numbers, which are gathered from a checkpoint.
 */
import type { OpenCheckpoint } from "../store/checkpoint-file.ts";
import type { Architecture } from "./architecture/architecture.ts";
import { NO_SINK, sinksName } from "./gguf/gguf-config.ts";
import { ropeFactors, ROPE_FACTORS } from "./gguf/gguf-rope.ts";
import { scatter } from "./architecture/gather.ts";
import { linksOf, type Link, type Piece } from "./architecture/links.ts";
import { storedRows } from "../store/stored-format.ts";
import { numberFormats, type FloatFormat } from "../contract/number-formats.ts";
import { classOf, ggufClasses, huggingFaceClasses } from "./architecture/published-classes.ts";
import type { Recognised } from "./architecture/recognise.ts";
import { PIECE } from "./kit/weights.ts";

export type OutgoingForm = "hf" | "gguf";
/**
 * The number format of the matrices: one for all of them, or each as the checkpoint stores it, which is F32
 * where the form does not have the stored format.
 */
export type OutgoingType = FloatFormat | "as stored";

export interface OutgoingTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: FloatFormat;
  values(): Promise<Float32Array<ArrayBuffer>>;
  /**
   * Its bytes in the checkpoint, given where the checkpoint stores them exactly as they go out: blocks that
   * came in go out again bit for bit.
   */
  stored?(): Promise<Uint8Array>;
}

export interface Outgoing {
  readonly architecture: Architecture;
  /** model_type of config.json, or general.architecture of GGUF. */
  readonly type: string;
  /** The format that most of the numbers are in. */
  readonly numbers: FloatFormat;
  readonly tensors: readonly OutgoingTensor[];
  readonly notes: readonly string[];
}

/** A checkpoint, or anything else that gives the model's numbers by Sinter's names. */
export interface WeightSource
  extends Pick<OpenCheckpoint, "read">, Partial<Pick<OpenCheckpoint, "formatOf" | "rows">> {
  readonly tensors: { has(name: string): boolean };
}

/**
 * The model's tensors as the form has them. Throws `input` where the form has no place for something of the
 * model.
 */
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
  const links = linksOf(architecture, stems, { naming, fused: gpt2, inOut: form === "hf" && gpt2 });
  const matrices = matrixTypes(checkpoint, form, type);
  const tensors = [
    ...(form === "gguf" ? ropeFactorsOf(architecture) : []),
    ...publishedTensors(links, checkpoint, prefixOf(form, gpt2), matrices.typeOf),
    ...(published.type === "granite_swa" ? emptySinks(architecture) : []),
  ];
  const notes = [
    ...(links.some(({ name }) => !checkpoint.tensors.has(name)) ? [ZERO_BIASES] : []),
    ...matrices.notes(),
    ...(published.type === "granite_swa" ? [NEW_ARCHITECTURE] : []),
  ];
  return { architecture, type: published.type, numbers: mostOf(tensors), tensors, notes };
}

const ZERO_BIASES = "biases that the model lacks are written as zeros";
const NEW_ARCHITECTURE =
  "a sliding window goes out as architecture granite_swa: programs that do not know it refuse the file";

/** What stands before the names of all tensors but the output's. */
export function prefixOf(form: OutgoingForm, gpt2: boolean): string {
  if (form === "gguf") return "";
  return gpt2 ? "transformer." : "model.";
}

/** The format of each matrix, and a note for those that cannot have the wanted one. */
interface MatrixTypes {
  typeOf(link: Link, piece: Piece): FloatFormat;
  notes(): readonly string[];
}

function matrixTypes(checkpoint: WeightSource, form: OutgoingForm, type: OutgoingType): MatrixTypes {
  const fallen = new Set<string>();
  const storedType = (name: string): FloatFormat => {
    const stored = checkpoint.tensors.has(name) ? (checkpoint.formatOf?.(name).type ?? "F32") : "F32";
    return form === "hf" && numberFormats[stored].block > 1 ? "F32" : stored;
  };
  return {
    typeOf(link, piece) {
      const wanted = type === "as stored" ? storedType(link.name) : type;
      const chosen = typeFor(piece, wanted);
      if (chosen !== wanted && chosen === "F16") {
        const { block } = numberFormats[wanted];
        fallen.add(`${wanted} goes in blocks of ${block}: matrices [${piece.shape}] are written as F16`);
      }
      return chosen;
    },
    notes: () => [...fallen],
  };
}

function publishedTensors(
  links: readonly Link[],
  checkpoint: WeightSource,
  prefix: string,
  typeOf: MatrixTypes["typeOf"],
): OutgoingTensor[] {
  const read = reader(checkpoint);
  return links.flatMap((link) =>
    link.pieces.map((piece): OutgoingTensor => {
      const type = typeOf(link, piece);
      return {
        name: `${piece.name.startsWith("lm_head.") ? "" : prefix}${piece.name}`,
        shape: piece.shape,
        type,
        values: async () => scatter(link, piece, await read(link)),
        ...storedAlike(link, piece, type, checkpoint),
      };
    }),
  );
}

/** granite_swa has sinks in every layer; these take no share of the attention. */
const emptySinks = ({ layers, heads }: Architecture): OutgoingTensor[] =>
  Array.from({ length: layers }, (_, layer) => ({
    name: sinksName(layer),
    shape: [heads],
    type: "F32",
    values: async () => new Float32Array(heads).fill(NO_SINK),
  }));

/** Llama 3's scaling of the rotary embedding, which GGUF files have as a tensor. */
function ropeFactorsOf({ rope, headDim }: Architecture): OutgoingTensor[] {
  if (!rope?.scaling) return [];
  const factors = ropeFactors(rope.theta, headDim, rope.scaling);
  return [{ name: ROPE_FACTORS, shape: [factors.length], type: "F32", values: async () => factors }];
}

function mostOf(tensors: readonly OutgoingTensor[]): FloatFormat {
  const count = new Map<FloatFormat, number>();
  for (const { type, shape } of tensors)
    count.set(type, (count.get(type) ?? 0) + shape.reduce((a, b) => a * b, 1));
  return [...count].reduce((most, one) => (one[1] > most[1] ? one : most))[0];
}

/** `stored` for a piece whose rows the checkpoint has in this format and in this order; otherwise nothing. */
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
    stored.transposed !== piece.transposed ||
    columns % numberFormats[type].block !== 0 ||
    (piece.matrices > 1 && piece.columns !== rowsEach)
  )
    return {};
  const [begin, count] = piece.transposed
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

/** The wanted format, or F16 where the rows of the piece are no multiple of that format's block. */
function typeFor({ shape, exact }: Piece, type: FloatFormat): FloatFormat {
  if (exact) return "F32";
  return shape.at(-1)! % numberFormats[type].block === 0 ? type : "F16";
}

/**
 * Reads Sinter's tensors. The last one stays in memory, since several published tensors may be made of it.
 * Tensors that the checkpoint lacks are zeros.
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

/** Encodes numbers in a format, some at a time. */
export function* encoded(values: Float32Array, type: FloatFormat): Generator<Uint8Array> {
  const { block, bytes, encode } = numberFormats[type];
  for (let at = 0; at < values.length; at += PIECE) {
    const part = values.subarray(at, Math.min(values.length, at + PIECE));
    const out = new Uint8Array((part.length / block) * bytes);
    encode(part, out);
    yield out;
  }
}
