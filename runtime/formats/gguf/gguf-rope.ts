/**
 * Rotary embeddings in GGUF files. Linear scaling has a key, and an older one. For Llama 3's scaling a file
 * has only the resulting factors, as a tensor. The numbers behind them are those of a published model, or
 * stand in a key of Sinter's own.
 */
import type { Rope, RopeScaling } from "../../contract/model.ts";
import { pow } from "../../contract/power.ts";
import { SinterError } from "../../base/errors.ts";
import type { TensorIndex } from "../architecture/fit.ts";
import type { GgufValues } from "./gguf-values.ts";
import { f32, list, text, type PairToWrite } from "./gguf-write.ts";
import { allFloats, corruptFile, type StoredTensor } from "../kit/weights.ts";

export const ROPE_FACTORS = "rope_freqs.weight";
/** A list of factor, low, high and original. */
export const OWN_SCALING = "sinter.rope.llama3";

/** The rotary embedding, with linear scaling, or Llama 3's, or none. */
export async function ropeOfGguf(read: GgufValues, index: TensorIndex, headDim: number): Promise<Rope> {
  const theta = decimal(read.number("rope.freq_base", 10000));
  const linear = linearOf(read);
  const { scaling } = await scalingOf(read, index.get(ROPE_FACTORS), theta, headDim);
  const key = read.has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
  if (linear !== 1 && scaling)
    read.refuse(key, `tensor ${ROPE_FACTORS} scales it too`, "One of the two scalings is read.");
  return { theta, ...(linear === 1 ? {} : { linear }), ...(scaling && { scaling }) };
}

function linearOf(read: GgufValues): number {
  const type = read.text("rope.scaling.type", "linear");
  if (type !== "linear" && type !== "none")
    read.refuse(
      "rope.scaling.type",
      "its rotary embedding is scaled in another way",
      "These are read: none, linear.",
    );
  const keys = (["rope.scaling.factor", "rope.scale_linear"] as const).filter((key) => read.has(key));
  const factors = keys.map((key) => {
    const factor = decimal(read.number(key)) || 1; // 0 stands for no scaling
    return factor >= 1 ? factor : read.wrong(key, "a number from 1 on");
  });
  const [linear = 1, older = linear] = factors;
  if (older !== linear)
    read.refuse(
      "rope.scale_linear",
      `rope.scaling.factor is ${linear}`,
      "The two are one setting: leave out the one that is not meant.",
    );
  return type === "none" ? 1 : linear;
}

/** The shortest decimal number that is the same f32: 1e-5 for 0.000009999999747378752. */
export function decimal(x: number): number {
  for (let digits = 1; digits < 9; digits++)
    if (Math.fround(Number(x.toPrecision(digits))) === Math.fround(x)) return Number(x.toPrecision(digits));
  return x;
}

/**
 * By how much the wavelength of each pair is stretched, [head_dim / 2]: the form in which files carry Llama
 * 3's scaling (tensor rope_freqs.weight). After Grattafiori et al. 2024 and the model's published code.
 */
export function ropeFactors(
  theta: number,
  headDim: number,
  { factor, low, high, original }: RopeScaling,
): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * pow(theta, (2 * i) / headDim);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const share = (original / wavelength - low) / (high - low);
    return 1 / ((1 - share) / factor + share);
  });
}

/**
 * The scalings of published models (Llama 3.1 and 3.2) and their like. The factors do not say which numbers
 * they come from, so these are tried.
 */
const knownScalings: readonly RopeScaling[] = [8, 32, 16, 4, 2].map((factor) => ({
  factor,
  low: 1,
  high: 4,
  original: 8192,
}));
const isKnown = (scaling: RopeScaling): boolean =>
  knownScalings.some((known) =>
    (Object.keys(known) as (keyof RopeScaling)[]).every((key) => known[key] === scaling[key]),
  );

async function scalingOf(
  read: GgufValues,
  tensor: StoredTensor | undefined,
  theta: number,
  headDim: number,
): Promise<{ scaling?: RopeScaling }> {
  const { path } = read.file;
  const own = await ownScaling(read);
  if (!tensor) return own ? unlike(path, `${OWN_SCALING} stands there, and no tensor ${ROPE_FACTORS}`) : {};
  if (tensor.elements !== headDim / 2)
    throw corruptFile(path, `tensor ${ROPE_FACTORS} is [${tensor.shape}]; the model has [${headDim / 2}]`);
  const found = await allFloats(tensor);
  const fits = (scaling: RopeScaling): boolean =>
    ropeFactors(theta, headDim, scaling).every((x, i) => Math.abs(x / found[i]! - 1) < 1e-4);
  if (own)
    return fits(own)
      ? { scaling: own }
      : unlike(path, `${OWN_SCALING} does not give the factors of tensor ${ROPE_FACTORS}`);
  if (found.every((x) => x === 1)) return {};
  const scaling = knownScalings.find(fits);
  if (scaling) return { scaling };
  throw new SinterError(
    "input",
    `${path}: tensor ${ROPE_FACTORS} holds factors of an unknown scaling`,
    "Plain rotary embeddings and Llama 3's scaling are read.",
  );
}

const unlike = (path: string, why: string): never => {
  throw corruptFile(path, why);
};

async function ownScaling({ file }: GgufValues): Promise<RopeScaling | undefined> {
  const values = await file.array(OWN_SCALING, 4);
  if (!values)
    return file.metadata.has(OWN_SCALING) ? unlike(file.path, `${OWN_SCALING} is no list`) : undefined;
  const [factor = 0, low = 0, high = 0, original = 0] = values.map((value) =>
    typeof value === "number" ? decimal(value) : 0,
  );
  return factor > 1 && low > 0 && high > low && original >= 1
    ? { factor, low, high, original }
    : unlike(file.path, `${OWN_SCALING} is [${values}]; factor, low, high and original were expected`);
}

/** The metadata of a rotary embedding that goes out, without its theta. */
export function ropePairs(type: string, { linear, scaling }: Rope): PairToWrite[] {
  const newer =
    linear === undefined
      ? []
      : [text(`${type}.rope.scaling.type`, "linear"), f32(`${type}.rope.scaling.factor`, linear)];
  return scaling && !isKnown(scaling)
    ? [...newer, list(OWN_SCALING, "f32", [scaling.factor, scaling.low, scaling.high, scaling.original])]
    : newer;
}
