/**
 * The check that joined code is right on this engine. `wide` rests on an experimental pass of V8, so it is
 * used only after this: the same entry runs twice on the same memory, once as compiled with the pass and once
 * as compiled without, and both must leave the same numbers. Operations and their order are the same in both,
 * so rounding is no excuse.
 */
import { controlWord } from "../contract/control.ts";
import { entryNames, legEntry, segmentEntry, segmentNumbers, type InputName } from "../contract/entries.ts";
import type { EntryPlace, Manifest, ModuleManifest, TensorPlace } from "../contract/manifest.ts";
import { instantiate } from "./host.ts";
import { tensorOf, type Partition } from "./partitions.ts";
import { writeSpan } from "./run-inputs.ts";
import { tensorIn, type Tensor } from "./tensors.ts";

/** An entry of more arithmetic is not run for the check: without joining, this much takes a second or two. */
const MOST_FLOPS = 5e10;
/** The largest difference that is let pass, relative to the largest element of a tensor. */
const TOLERANCE = 1e-6;

/** An entry, or the legs of one, which run one after the other. */
type Legs = readonly [EntryPlace, ...EntryPlace[]];

/**
 * The entry that covers most and is not too much arithmetic; a decode step at least. The partition that ends
 * a model has a second one, for what it does after the last layer.
 */
function entriesToCheck(module: ModuleManifest): Legs[] {
  const named = (name: string): EntryPlace | undefined => module.entries.find((e) => e.name === name);
  const legs = (name: string): Legs | undefined => {
    const found: EntryPlace[] = [];
    for (let next = named(name); next; next = named(legEntry(name, found.length))) found.push(next);
    const [first, ...others] = found;
    return first && [first, ...others];
  };
  const best = (segment: number): Legs | undefined => {
    const names = entryNames
      .filter((name) => name !== "generate") // a loop around what the others have
      .map((name) => segmentEntry(name, segment));
    const found = names.map(legs).filter((all) => all !== undefined);
    return found.find((all) => all.reduce((sum, e) => sum + e.flops, 0) <= MOST_FLOPS) ?? found.at(-1);
  };
  return segmentNumbers.map(best).filter((e) => e !== undefined);
}

/**
 * What the candidate computes otherwise than the reference; undefined when they agree. Parameters stay as
 * they are; gradients, caches and outputs are overwritten.
 */
export function selfCheck(
  model: Manifest,
  partition: Partition,
  candidate: WebAssembly.Module,
  reference: WebAssembly.Module,
): string | undefined {
  const { manifest, memory } = partition;
  for (const legs of entriesToCheck(manifest)) {
    const [entry] = legs;
    fillInputs(partition, model, entry.context);
    const compared = manifest.tensors.filter((place) =>
      entry.name === "train" ? place.storage === "gradient" : entry.outputs.includes(place.name),
    );
    const run = (module: WebAssembly.Module): Float64Array[] => {
      runAlone(legs, memory, module, model.control);
      return compared.map((place) => allSlices(memory, place));
    };
    const expected = run(reference);
    const found = run(candidate);
    for (const [i, place] of compared.entries()) {
      const off = distance(found[i]!, expected[i]!);
      if (!(off <= TOLERANCE)) return `${place.name} of "${entry.name}" is off by ${off.toExponential(1)}`;
    }
  }
  return undefined;
}

/** Runs an entry on the calling thread, for a text that begins at position 0. */
function runAlone(
  legs: Legs,
  memory: WebAssembly.Memory,
  module: WebAssembly.Module,
  control: Manifest["control"],
): void {
  const words = new Int32Array(memory.buffer);
  words[controlWord(control.workers)] = 1;
  if (control.start !== undefined) words[controlWord(control.start)] = 0; // of earlier releases
  words[controlWord(control.rows)] = legs[0].context;
  words[controlWord(control.spanCount ?? control.rows)] = 1;
  words[controlWord(control.accumulate)] = 0;
  words[controlWord(control.update)] = 0;
  const instance = instantiate(module, memory);
  for (const { name } of legs) instance[name]!(0);
}

/**
 * Every input gets numbers that look random and are the same each time; a run is one span of so many rows.
 */
function fillInputs(partition: Partition, model: Manifest, rows: number): void {
  const {
    memory,
    manifest: { tensors },
  } = partition;
  // tokens and targets are below both: an output may have fewer classes than there are ids
  const classes = tensors.find(({ name }) => name === "logits")?.shape.at(-1) ?? Infinity;
  const ids = Math.min(model.model.sizes.vocab, classes);
  for (const place of tensors) if (place.storage === "input") fillInput(memory, place, model, ids);
  const words = (name: InputName): Int32Array | undefined =>
    tensorOf(partition, name)?.padded() as Int32Array | undefined;
  words("positions")?.forEach((_, r, positions) => (positions[r] = r % rows));
  words("first")?.fill(0); // a sequence is one document
  const spans = words("spans");
  if (spans) writeSpan(spans, 0, { lane: 0, start: 0, first: 0, rows });
}

function fillInput(memory: WebAssembly.Memory, place: TensorPlace, model: Manifest, ids: number): void {
  const tensor = tensorIn(memory.buffer, place);
  let i = 0;
  const noise = (): number => ((i++ * 7919) % 4093) / 4093 - 0.5;
  if (place.name === "hyper") fillHyper(tensor, model);
  else if (place.dtype === "f32") tensor.fill(0, noise);
  else tensor.fill(0, () => (i++ * 7919 + place.name.length) % ids);
}

/** What scales: the loss, and adapters. */
function fillHyper(tensor: Tensor, { hyper }: Manifest): void {
  const scales: readonly number[] = [hyper.scale, hyper.lora];
  let i = 0;
  tensor.fill(0, () => (scales.includes(i++) ? 1 / 64 : 0));
}

function allSlices(memory: WebAssembly.Memory, place: TensorPlace): Float64Array {
  const tensor = tensorIn(memory.buffer, place);
  const out = new Float64Array(tensor.elements * place.slices);
  for (let slice = 0; slice < place.slices; slice++) out.set(tensor.dense(slice), slice * tensor.elements);
  return out;
}

/** The largest difference, relative to the largest expected element. NaN when either has one. */
function distance(found: Float64Array, expected: Float64Array): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < found.length; i++) {
    const d = Math.abs(found[i]! - expected[i]!);
    if (Number.isNaN(d)) return NaN;
    difference = Math.max(difference, d);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}
