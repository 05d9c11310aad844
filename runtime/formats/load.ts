/**
 * A published file's weights straight into a running model: no run folder, no copy of the model in f32.
 * Tensors are taken in the order of the file, so that one answer of a server can be read from its beginning
 * to its end.
 *
 * Rows that the file holds in the format in which the model keeps them (Q8_0, Q4_0, BF16) only change their
 * order; all others go through f32, a tensor at a time, an embedding a stretch of rows at a time.
 */
import { SinterError } from "../base/errors.ts";
import type { RunningModel } from "../engine/model.ts";
import { fileFormats, groupPlacer, wordsOf } from "../engine/quantise.ts";
import { checkpointName, type Tensor } from "../engine/tensors.ts";
import { isWindowed, type Architecture } from "./architecture/architecture.ts";
import { checkFit } from "./architecture/fit.ts";
import { columnOf, gather, linksOf, type Link, type Piece } from "./architecture/links.ts";
import { GROUP, numberFormats, type FloatFormat } from "../contract/number-formats.ts";
import type { Published } from "./published.ts";
import { recognise } from "./architecture/recognise.ts";
import { allFloats, PIECE, type StoredTensor } from "./kit/weights.ts";

interface Place {
  readonly link: Link;
  readonly piece: Piece;
  readonly tensor: Tensor;
  readonly slice: number;
}

/**
 * `pause`: called now and then, so that a page's thread can listen. Throws `input` when the file's model is
 * another one; says in what.
 */
export async function loadPublished(
  model: RunningModel,
  published: Published,
  pause: () => Promise<void> = async () => {},
): Promise<void> {
  const { architecture, stems } = recognise(model.manifest.model);
  const { index, options, file } = published;
  checkSame(architecture, published.architecture, file.path);
  const links = linksOf(architecture, stems, options);
  checkFit(links, index, options.naming, file.path);
  const places = placesOf(model, links);
  const joining = new Map<Link, { values: Float32Array; missing: number }>();
  await model.inTurn(async () => {
    model.weightsChanged();
    for (const [name, stored] of [...index].sort(([, a], [, b]) => byPlace(a, b))) {
      const place = places.get(name);
      if (!place) continue; // a buffer that holds nothing learned
      if (!(await placeRows(place, stored, pause))) await join(place, stored, joining);
      await pause();
    }
  });
}

/** File by file, from the beginning of each to its end. */
const byPlace = (a: StoredTensor, b: StoredTensor): number =>
  a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1;

/**
 * By published names. The compiler's tensors and the links are two accounts of one model: they have to agree.
 */
function placesOf(model: RunningModel, links: readonly Link[]): ReadonlyMap<string, Place> {
  const own = new Map(
    model
      .of("parameter")
      .flatMap((tensor) =>
        Array.from(
          { length: tensor.place.slices },
          (_, slice) => [checkpointName(tensor.place, slice), { tensor, slice }] as const,
        ),
      ),
  );
  const places = new Map(
    links.flatMap((link) => {
      const found = own.get(link.name);
      if (!found || `${found.tensor.place.shape}` !== `${link.shape}`)
        throw new Error(
          `${link.name} [${link.shape}] is linked to ${found ? `[${found.tensor.place.shape}]` : "nothing"}`,
        );
      own.delete(link.name);
      return link.pieces.map((piece) => [piece.name, { link, piece, ...found }] as const);
    }),
  );
  if (own.size > 0) throw new Error(`no link leads to ${[...own.keys()].join(", ")}`);
  return places;
}

/**
 * A stretch of a tensor's rows at a time, where they stand in the model as they do in the file. False: they
 * do not.
 */
async function placeRows(
  { link, piece, tensor, slice }: Place,
  stored: StoredTensor,
  pause: () => Promise<void>,
): Promise<boolean> {
  const { quantised, rowFloats } = tensor.place;
  const [rows, K] = piece.shape as readonly [number, number];
  const whole = !piece.turned && piece.columns === link.shape[1];
  if (
    piece.shape.length !== 2 ||
    (quantised ? quantised.transposed !== piece.turned || (!piece.turned && !whole) : !whole)
  )
    return false;
  const format = quantised && fileFormats[quantised.format];
  const same =
    format === stored.type && stored.encoded !== undefined && K % numberFormats[format].block === 0;
  if (quantised && !same) return false;
  const data = tensor.padded(slice);
  const atOnce = Math.max(1, Math.floor(PIECE / K));
  const memory = quantised && { place: groupPlacer(quantised.format, K), to: wordsOf(data as Int32Array) };
  const rowBytes = same
    ? (K / numberFormats[format as FloatFormat].block) * numberFormats[format as FloatFormat].bytes
    : 0;
  for (let first = 0; first < rows; first += atOnce, await pause()) {
    const count = Math.min(atOnce, rows - first);
    if (!memory) {
      const values = await stored.floats(first * K, count * K);
      for (let r = 0; r < count; r++) data.set(values.subarray(r * K, (r + 1) * K), (first + r) * rowFloats);
      continue;
    }
    const encoded = await stored.encoded!(first * K, count * K);
    const blocks = new Uint16Array(encoded.buffer, encoded.byteOffset, encoded.byteLength / 2);
    for (let r = 0; r < count; r++) {
      const to = piece.turned ? piece.from + columnOf(first + r, piece.halves) : first + r;
      memory.place(blocks, (r * rowBytes) / 2, memory.to, to * rowFloats, 0, Math.ceil(K / GROUP));
    }
  }
  return true;
}

/** Through f32; written when all pieces of the model's tensor have come. */
async function join(
  { link, piece, tensor, slice }: Place,
  stored: StoredTensor,
  joining: Map<Link, { values: Float32Array; missing: number }>,
): Promise<void> {
  const values = await allFloats(stored);
  if (link.pieces.length === 1 && !piece.turned && piece.halves === 0) return tensor.write(values, slice);
  const open = joining.get(link) ?? {
    values: new Float32Array(tensor.elements),
    missing: link.pieces.length,
  };
  joining.set(link, open);
  gather(link, piece, values, open.values);
  if (--open.missing > 0) return;
  joining.delete(link);
  tensor.write(open.values, slice);
}

/** What shapes do not show. */
const told = [
  "family",
  "layers",
  "heads",
  "kvHeads",
  "headDim",
  "activation",
  "rope",
  "eps",
  "tied",
  "qkNorm",
  "window",
  "pattern",
  "experts",
] as const satisfies readonly (keyof Architecture)[];

/** A model may have a shorter context than the file's: a window that it does not reach is none. */
function checkSame(ofBundle: Architecture, ofFile: Architecture, path: string): void {
  const model = withoutBalance(ofBundle);
  const published = withoutBalance(ofFile);
  const file = isWindowed({ ...published, context: model.context })
    ? published
    : { ...published, window: undefined, pattern: undefined };
  const same = (a: unknown, b: unknown): boolean =>
    typeof a === "number" && typeof b === "number"
      ? Math.abs(a - b) <= 1e-6 * Math.abs(b)
      : JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
  const other = told.filter((key) => !same(model[key], file[key]));
  if (other.length === 0) return;
  throw new SinterError(
    "input",
    `${path} holds another model than ${model.name}: ${other.map((key) => `${key} is ${text(file[key])}; the bundle has ${text(model[key])}`).join(", ")}`,
    "Compile the spec that belongs to the weights: sinter import FILE -o DIR writes it.",
  );
}

/** The weight of a loss is training's alone, and GGUF files do not have it. */
const withoutBalance = ({ experts, ...rest }: Architecture): Architecture => ({
  ...rest,
  experts: experts && { count: experts.count, top: experts.top },
});

const text = (value: unknown): string => (typeof value === "object" ? JSON.stringify(value) : String(value));
const sorted = (value: unknown): unknown =>
  typeof value === "object" && value !== null
    ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    : value;
