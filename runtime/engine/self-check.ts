/**
 * Is the joined code right on this engine? `wide` rests on an experimental pass of V8, so it is used only
 * after this: the same entry runs twice on the same memory, once as compiled with the pass and once as
 * compiled without, and what both leave must be the same. Operations and their order are the same, so it is
 * not a matter of rounding.
 */
import type { EntryPlace, Manifest, ModuleManifest, TensorPlace } from "../contract/manifest.ts";
import { instantiate } from "./host.ts";
import { rowWriter, wordsOf } from "./quantise.ts";
import { tensorIn, type Tensor } from "./tensors.ts";

/** At most this much arithmetic: a second or two without joining. */
const FLOPS = 5e10;
/** Relative to the largest element of a tensor. */
const TOLERANCE = 1e-6;

/**
 * The costliest entry that fits, with everything it covers: "train" sees forward and backward. Always at
 * least a decode step. In a part, also what it does at the end of the model.
 */
function entriesToCheck(module: ModuleManifest): EntryPlace[] {
  const best = (ending: string): EntryPlace | undefined => {
    const wanted = ["train", "evaluate", "prefill", "decode"]
      .map((name) => module.entries.find((e) => e.name === name + ending))
      .filter((e) => e !== undefined);
    return wanted.find((e) => e.flops <= FLOPS) ?? wanted.at(-1);
  };
  return [best(""), best("_output")].filter((e) => e !== undefined);
}

/**
 * Undefined: it agrees. Otherwise what differs. Leaves parameters as they are; gradients, caches and outputs
 * are overwritten.
 */
export function selfCheck(
  manifest: Manifest,
  module: ModuleManifest,
  memory: WebAssembly.Memory,
  candidate: WebAssembly.Module,
  reference: WebAssembly.Module,
): string | undefined {
  return entriesToCheck(module)
    .map((entry) => checkEntry(entry, manifest, module, memory, candidate, reference))
    .find((wrong) => wrong !== undefined);
}

function checkEntry(
  entry: EntryPlace,
  manifest: Manifest,
  module: ModuleManifest,
  memory: WebAssembly.Memory,
  candidate: WebAssembly.Module,
  reference: WebAssembly.Module,
): string | undefined {
  const i32 = new Int32Array(memory.buffer);
  const c = manifest.control;
  const looked = module.tensors.filter((t) =>
    entry.name === "train" ? t.storage === "gradient" : entry.outputs.includes(t.name),
  );
  const ids = idsBelow(manifest, module);
  for (const t of module.tensors) if (t.storage === "input") fillInput(memory, t, manifest, ids);
  const run = (compiled: WebAssembly.Module): Float64Array[] => {
    for (const [at, value] of [
      [c.workers, 1],
      [c.start, 0],
      [c.rows, entry.context],
      [c.accumulate, 0],
      [c.update, 0],
    ] as const)
      i32[at / 4] = value;
    instantiate(compiled, memory)[entry.name]!(0);
    return looked.map((t) => allSlices(memory, t));
  };
  const expected = run(reference);
  const found = run(candidate);
  for (const [i, t] of looked.entries()) {
    const off = distance(found[i]!, expected[i]!);
    if (!(off <= TOLERANCE)) return `${t.name} of "${entry.name}" is off by ${off.toExponential(1)}`;
  }
  return undefined;
}

/** What tokens and targets are chosen from: an output may have fewer classes than there are ids. */
const idsBelow = ({ model }: Manifest, { tensors }: ModuleManifest): number =>
  Math.min(model.sizes.vocab, tensors.find((t) => t.name === "logits")?.shape.at(-1) ?? Infinity);

function fillInput(memory: WebAssembly.Memory, place: TensorPlace, manifest: Manifest, ids: number): void {
  const tensor = tensorIn(memory.buffer, place);
  let i = 0;
  const noise = (): number => ((i++ * 7919) % 4093) / 4093 - 0.5;
  if (place.name === "hyper") tensor.fill(0, () => (i++ === manifest.hyper.scale ? 1 / 64 : 0));
  else if (place.dtype === "f32") tensor.fill(0, noise);
  else tensor.fill(0, () => (i++ * 7919 + place.name.length) % ids);
}

/**
 * Numbers for parameters that nobody has drawn yet: quickly, because a drawn one costs more than a loaded
 * one.
 */
export const fillParameters = (module: ModuleManifest, memory: WebAssembly.Memory): void =>
  fillTensors(
    module.tensors
      .filter((place) => place.storage === "parameter")
      .map((place) => tensorIn(memory.buffer, place)),
  );

/** The same, of tensors at hand: benches, whose speed does not depend on what they multiply. */
export function fillTensors(parameters: readonly Tensor[]): void {
  const block = Float32Array.from({ length: FILL_FLOATS }, (_, i) => ((i * 7919) % 4093) / 40930 - 0.05);
  for (const tensor of parameters) {
    const { place, columns } = tensor;
    const ld = place.rowFloats;
    const rows = place.quantised && quantisedRows(place, block);
    for (let slice = 0; slice < place.slices; slice++) {
      const data = tensor.padded(slice);
      if (rows) {
        for (let at = 0; at < data.length; at += ld) data.set(rows[(at / ld) % rows.length]!, at);
        continue;
      }
      if (ld === columns)
        for (let at = 0; at < data.length; at += FILL_FLOATS)
          data.set(block.subarray(0, data.length - at), at);
      else
        for (let row = 0; row < tensor.rows; row++)
          for (let at = 0; at < columns; at += FILL_FLOATS)
            data.set(block.subarray(0, columns - at), row * ld + at); // padding stays zero
    }
  }
}

/** A few rows as they lie in memory: encoding each row would take longer than loading. */
function quantisedRows({ quantised, shape, rowFloats }: TensorPlace, block: Float32Array): Int32Array[] {
  const K = shape.at(quantised!.transposed ? -2 : -1)!;
  const write = rowWriter(quantised!.format, K);
  return [0, 1, 2, 3, 4, 5, 6].map((n) => {
    const row = new Int32Array(rowFloats);
    write(
      Float32Array.from({ length: K }, (_, k) => block[(k + 31 * n) % FILL_FLOATS]!),
      wordsOf(row),
    );
    return row;
  });
}

const FILL_FLOATS = 4099; // a prime: rows differ

function allSlices(memory: WebAssembly.Memory, place: TensorPlace): Float64Array {
  const tensor = tensorIn(memory.buffer, place);
  const out = new Float64Array(tensor.elements * place.slices);
  for (let slice = 0; slice < place.slices; slice++) out.set(tensor.dense(slice), slice * tensor.elements);
  return out;
}

/** Largest difference, relative to the largest expected element. NaN when either has one. */
function distance(a: Float64Array, b: Float64Array): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (Number.isNaN(d)) return NaN;
    difference = Math.max(difference, d);
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}
