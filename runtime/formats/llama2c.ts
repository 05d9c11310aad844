/**
 * Reads the .bin files of llama2.c (github.com/karpathy/llama2.c, export.py), which are little-endian.
 * `sizes` are seven i32: width, hidden, layers, heads, heads of keys and values, vocabulary, context.
 *
 *   legacy  sizes (a negative vocabulary says that the output has a matrix of its own), then f32 tensors,
 *           kind by kind, each for all layers
 *   v1      "ak42", 1, sizes, shared u8, filled up to 256 bytes; then f32 tensors: norms first, then matrices
 *   v2      "ak42", 2, sizes, shared u8, group i32, filled up to 256 bytes; then the norms in f32, then each
 *           matrix of each layer: all its elements as i8, and an f32 scale for every `group` of them
 *
 * Tensors get Meta's names (…attention.wq …), as in the checkpoints that the format is made from. Queries and
 * keys have the two numbers of a rotary pair side by side. The header determines the length of the file,
 * which is checked exactly.
 */
import type { Files, ReadableFile } from "../base/files.ts";
import { isWithin, sizeRanges, integer } from "../contract/limits.ts";
import { numberFormats } from "../contract/number-formats.ts";
import { modelName, type Architecture } from "./architecture/architecture.ts";
import { corruptFile, floatReader, product, type StoredTensor, type WeightFile } from "./kit/weights.ts";

export interface Llama2cSizes {
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocab: number;
  readonly context: number;
  /** The output's matrix is the token embedding. */
  readonly shared: boolean;
}

export interface Llama2cFile extends WeightFile {
  readonly sizes: Llama2cSizes;
}

const MAGIC = 0x616b3432; // "ak42"
const HEADER_BYTES = 256;
/** The header's sizes, in its order. */
const sizeNames = ["width", "hidden", "layers", "heads", "kvHeads", "vocab", "context"] as const;
/** No model of this family has as many layers; products of all sizes stay exact. */
const ranges = { ...sizeRanges, layers: integer(1, 4096) };

interface Header {
  readonly version: "legacy" | "v1" | "v2";
  readonly sizes: Llama2cSizes;
  /** Elements that share a scale, in version 2. */
  readonly group: number;
  /** Byte where the weights begin. */
  readonly begin: number;
}

export async function openLlama2c(files: Files, path: string): Promise<Llama2cFile> {
  const file = await files.open(path);
  try {
    const header = parseHeader(await file.read(0, Math.min(HEADER_BYTES, file.bytes)), path);
    const { version, sizes, group } = header;
    return {
      format: "llama2.c",
      path,
      version: version === "v2" ? `v2, int8 in groups of ${group}` : version,
      metadata: new Map(Object.entries(sizes)),
      tensors: tensorsOf(file, path, header),
      sizes,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function parseHeader(bytes: Uint8Array, path: string): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length >= 4 && view.getUint32(0, true) === MAGIC;
  const need = magic ? HEADER_BYTES : 28;
  if (bytes.length < need)
    throw corruptFile(path, `${bytes.length} bytes are too few for a header of ${need}`);
  if (!magic) {
    const values = readSizes(view, 0);
    const { vocab } = values;
    return {
      version: "legacy",
      sizes: check({ ...values, vocab: Math.abs(vocab), shared: vocab > 0 }, path, 0),
      group: 1,
      begin: 28,
    };
  }
  const version = view.getInt32(4, true);
  if (version !== 1 && version !== 2)
    throw corruptFile(path, `offset 4: version ${version}; versions 1 and 2 are read`);
  const shared = bytes[36]!;
  if (shared > 1)
    throw corruptFile(path, `offset 36: the flag of a shared output is ${shared}; it has to be 0 or 1`);
  const sizes = check({ ...readSizes(view, 8), shared: shared === 1 }, path, 8);
  const group = version === 2 ? view.getInt32(37, true) : 1;
  if (group < 1 || group > ranges.hidden.max)
    throw corruptFile(path, `offset 37: groups of ${group} elements`);
  return { version: version === 1 ? "v1" : "v2", sizes, group, begin: HEADER_BYTES };
}

function readSizes(view: DataView, at: number): Record<(typeof sizeNames)[number], number> {
  const [width, hidden, layers, heads, kvHeads, vocab, context] = sizeNames.map((_, i) =>
    view.getInt32(at + 4 * i, true),
  );
  return {
    width: width!,
    hidden: hidden!,
    layers: layers!,
    heads: heads!,
    kvHeads: kvHeads!,
    vocab: vocab!,
    context: context!,
  };
}

function check(sizes: Llama2cSizes, path: string, at: number): Llama2cSizes {
  sizeNames.forEach((name, i) => {
    if (!isWithin(ranges[name], sizes[name]))
      throw corruptFile(
        path,
        `offset ${at + 4 * i}: ${name} is ${sizes[name]}; 1 to ${ranges[name].max} is possible`,
        "Is it a llama2.c model file?",
      );
  });
  const { width, heads, kvHeads } = sizes;
  if (width % heads !== 0 || (width / heads) % 2 !== 0)
    throw corruptFile(path, `offset ${at}: width ${width} does not divide into ${heads} heads of even width`);
  if (heads % kvHeads !== 0)
    throw corruptFile(
      path,
      `offset ${at + 16}: ${heads} heads do not divide into ${kvHeads} of keys and values`,
    );
  return sizes;
}

type Kind = { readonly name: string; readonly shape: readonly number[]; readonly layered: boolean };

/** The kinds of tensors, by the short names that llama2.c's code uses. */
function kindsOf({
  width,
  hidden,
  heads,
  kvHeads,
  vocab,
  context,
}: Llama2cSizes): Readonly<Record<string, Kind>> {
  const kv = (width / heads) * kvHeads;
  const half = width / heads / 2;
  const one = (name: string, ...shape: number[]): Kind => ({ name, shape, layered: false });
  const each = (name: string, ...shape: number[]): Kind => ({
    name: `layers.{i}.${name}`,
    shape,
    layered: true,
  });
  return {
    embedding: one("tok_embeddings.weight", vocab, width),
    norm: one("norm.weight", width),
    output: one("output.weight", vocab, width),
    real: one("freqs_cos", context, half),
    imaginary: one("freqs_sin", context, half),
    attentionNorm: each("attention_norm.weight", width),
    ffnNorm: each("ffn_norm.weight", width),
    wq: each("attention.wq.weight", width, width),
    wk: each("attention.wk.weight", kv, width),
    wv: each("attention.wv.weight", kv, width),
    wo: each("attention.wo.weight", width, width),
    w1: each("feed_forward.w1.weight", hidden, width),
    w2: each("feed_forward.w2.weight", width, hidden),
    w3: each("feed_forward.w3.weight", hidden, width),
  };
}

/** The order of the kinds in a file. The output's matrix, where there is one, comes last. */
const order = {
  legacy: [
    "embedding",
    "attentionNorm",
    "wq",
    "wk",
    "wv",
    "wo",
    "ffnNorm",
    "w1",
    "w2",
    "w3",
    "norm",
    "real",
    "imaginary",
  ],
  v1: ["attentionNorm", "ffnNorm", "norm", "embedding", "wq", "wk", "wv", "wo", "w1", "w2", "w3"],
  v2: ["attentionNorm", "ffnNorm", "norm", "embedding", "wq", "wk", "wv", "wo", "w1", "w2", "w3"],
} as const;

interface Planned extends Kind {
  readonly elements: number;
  /** Bytes in the file. */
  readonly bytes: number;
  /** Whether scales follow the elements. */
  readonly grouped: boolean;
}

/**
 * One row for each kind of tensor. Throws `corrupt` when the file's length is not exactly what they take
 * together.
 */
function plan({ version, sizes, group, begin }: Header, path: string, fileBytes: number): readonly Planned[] {
  const kinds = kindsOf(sizes);
  const rows = [...order[version], ...(sizes.shared ? [] : ["output"])].map((key): Planned => {
    const kind = kinds[key]!;
    const what = `tensor ${kind.name} [${kind.shape}]`;
    const elements = product(...kind.shape);
    if (elements === undefined) throw corruptFile(path, `${what} has more elements than can be counted`);
    const grouped = version === "v2" && kind.shape.length > 1;
    if (grouped && elements % group !== 0)
      throw corruptFile(path, `${what} does not divide into groups of ${group}`);
    return { ...kind, elements, bytes: grouped ? elements + (4 * elements) / group : 4 * elements, grouped };
  });
  const end = rows.reduce(
    (sum, { bytes, layered }) => sum + BigInt(bytes) * BigInt(layered ? sizes.layers : 1),
    BigInt(begin),
  );
  if (end === BigInt(fileBytes)) return rows;
  const s = sizes;
  throw corruptFile(
    path,
    `offset 0: the header says width ${s.width}, hidden ${s.hidden}, ${s.layers} layers, ${s.heads} ` +
      `heads (${s.kvHeads} of keys and values), ` +
      `vocabulary ${s.vocab}, context ${s.context}, which takes ${end} bytes; the file has ${fileBytes}`,
    "Is it a llama2.c model file, and whole?",
  );
}

function tensorsOf(file: ReadableFile, path: string, header: Header): Map<string, StoredTensor> {
  const { group, sizes } = header;
  const out = new Map<string, StoredTensor>();
  let offset = header.begin;
  for (const { name: pattern, shape, elements, bytes, grouped, layered } of plan(header, path, file.bytes))
    for (let layer = 0; layer < (layered ? sizes.layers : 1); layer++) {
      const name = pattern.replace("{i}", `${layer}`);
      const floats = grouped ? groupReader(file, offset, elements, group) : floatReader(file, offset, "F32");
      const begin = offset;
      out.set(name, {
        name,
        type: grouped ? `I8 / ${group}` : "F32",
        shape,
        elements,
        bytes,
        offset,
        file: path,
        fill: (at, into) => file.fill(begin + at, into),
        floats,
      });
      offset += bytes;
    }
  return out;
}

/** Reads elements that are stored as i8 [elements], followed by f32 scales [elements / group]. */
function groupReader(
  file: ReadableFile,
  offset: number,
  elements: number,
  group: number,
): StoredTensor["floats"] {
  return async (from, count) => {
    const first = Math.floor(from / group);
    const last = Math.ceil((from + count) / group);
    const stored = await file.read(offset + from, count);
    const scales = new Float32Array(last - first);
    numberFormats.F32.decode(await file.read(offset + elements + 4 * first, 4 * (last - first)), scales);
    const out = new Float32Array(count);
    for (let i = 0; i < count; i++)
      out[i] = ((stored[i]! << 24) >> 24) * scales[Math.floor((from + i) / group) - first]!;
    return out;
  };
}

/** The model of a file. `base` is the file's name, since the format has none for the model. */
export const architectureOfLlama2c = ({ sizes }: Llama2cFile, base: string): Architecture => ({
  family: "llama",
  name: modelName(base),
  vocab: sizes.vocab,
  context: sizes.context,
  width: sizes.width,
  layers: sizes.layers,
  heads: sizes.heads,
  kvHeads: sizes.kvHeads,
  headDim: sizes.width / sizes.heads,
  hidden: sizes.hidden,
  activation: "silu",
  eps: 1e-5,
  rope: { theta: 10000 },
  tied: sizes.shared,
  bias: { norm: false, qkv: false, attentionOut: false, ffn: false, head: false },
});
