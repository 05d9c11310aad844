/**
 * Loads the weights of a published file straight into a running model, without a run folder and without a
 * copy of the model in f32. Tensors are taken in the order of the file, so that a file that a server sends
 * can be read once, from its beginning to its end.
 *
 * Rows that the file has in the model's own format (Q8_0, Q4_0, BF16) only change their order. All others go
 * through f32: a tensor at a time, or, for tensors whose rows stand in the model as in the file, some rows at
 * a time.
 */
import { SinterError } from "../base/errors.ts";
import type { RunningModel } from "../engine/model.ts";
import { fileFormats, groupPlacer, wordsOf } from "../engine/quantise.ts";
import { checkpointName, type Tensor } from "../engine/tensors.ts";
import { isWindowed, type Architecture } from "./architecture/architecture.ts";
import { checkFit } from "./architecture/fit.ts";
import { columnOf, gather } from "./architecture/gather.ts";
import { linksOf, type Link, type Piece } from "./architecture/links.ts";
import { GROUP, numberFormats, type FloatFormat } from "../contract/number-formats.ts";
import type { Published } from "./published.ts";
import { recognise } from "./architecture/recognise.ts";
import { allFloats, PIECE, type StoredTensor } from "./kit/weights.ts";

/** Where a published tensor goes. */
interface Destination {
  readonly link: Link;
  readonly piece: Piece;
  readonly tensor: Tensor;
  readonly slice: number;
}

/**
 * `pause` is called now and then, so that a page's thread can answer its messages. Throws `input` when the
 * file holds another model, and names what differs.
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
  const destinations = destinationsOf(model, links);
  const joining = new Map<Link, Joining>();
  await model.inTurn(async () => {
    model.weightsChanged();
    for (const [name, stored] of [...index].sort(([, a], [, b]) => byPosition(a, b))) {
      const to = destinations.get(name);
      if (!to) continue; // a buffer that holds nothing learned
      if (!(await writeRows(to, stored, pause))) await join(to, stored, joining);
      await pause();
    }
  });
}

/** The order of tensors in their files, one file after the other. */
function byPosition(a: StoredTensor, b: StoredTensor): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.offset - b.offset;
}

/**
 * The destination of each published tensor, by its name. The compiler's tensors and the links describe the
 * same model, so that a difference between them is a bug.
 */
function destinationsOf(model: RunningModel, links: readonly Link[]): ReadonlyMap<string, Destination> {
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
  const destinations = new Map(
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
  return destinations;
}

/**
 * Writes a tensor some rows at a time. Returns false, and writes nothing, where its rows do not stand in the
 * model as they stand in the file.
 */
async function writeRows(
  { link, piece, tensor, slice }: Destination,
  stored: StoredTensor,
  pause: () => Promise<void>,
): Promise<boolean> {
  const { quantised, rowFloats } = tensor.place;
  const [rows, K] = piece.shape as readonly [number, number];
  const isSameMatrix = !piece.transposed && piece.columns === link.shape[1];
  const hasSameRows = quantised
    ? quantised.transposed === piece.transposed && (piece.transposed || isSameMatrix)
    : isSameMatrix;
  if (piece.shape.length !== 2 || !hasSameRows) return false;
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
      const to = piece.transposed ? piece.from + columnOf(first + r, piece.halves) : first + r;
      memory.place(blocks, (r * rowBytes) / 2, memory.to, to * rowFloats, 0, Math.ceil(K / GROUP));
    }
  }
  return true;
}

/** A tensor of the model that waits for the rest of its published pieces. */
interface Joining {
  readonly values: Float32Array;
  missing: number;
}

/** Reads a piece as f32, and writes the model's tensor when all its pieces have been read. */
async function join(
  { link, piece, tensor, slice }: Destination,
  stored: StoredTensor,
  joining: Map<Link, Joining>,
): Promise<void> {
  const values = await allFloats(stored);
  if (link.pieces.length === 1 && !piece.transposed && piece.halves === 0) return tensor.write(values, slice);
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

/** The properties of an architecture that the shapes of its tensors do not show. */
const comparedKeys = [
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

/**
 * Throws `input` where bundle and file hold different models. The bundle's context may be shorter than the
 * file's, and then a window that is longer than it makes no difference.
 */
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
  const differences = comparedKeys
    .filter((key) => !same(model[key], file[key]))
    .map((key) => `${key} is ${text(file[key])}; the bundle has ${text(model[key])}`);
  if (differences.length === 0) return;
  throw new SinterError(
    "input",
    `${path} holds another model than ${model.name}: ${differences.join(", ")}`,
    "Compile the spec that belongs to the weights: sinter import FILE -o DIR writes it.",
  );
}

/** The weight of the load-balancing loss matters in training alone, and GGUF files do not have it. */
const withoutBalance = ({ experts, ...rest }: Architecture): Architecture => ({
  ...rest,
  experts: experts && { count: experts.count, top: experts.top },
});

const text = (value: unknown): string => (typeof value === "object" ? JSON.stringify(value) : String(value));
const sorted = (value: unknown): unknown =>
  typeof value === "object" && value !== null
    ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    : value;
