/**
 * Runs one kernel alone, on given numbers, in this thread. Tests compare it with its reference, benches time
 * it. Bands of canaries stand around every tensor; `run` fails when a kernel has written into one.
 */
import { kernelSpec, type KernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { HELD } from "../../compiler/8-emit/barrier.ts";
import { assemble } from "../../compiler/9-bundle/assemble.ts";
import type { Case, Op } from "../../compiler/ops/kit/op.ts";
import type { TensorSlot } from "../../compiler/ops/kit/signature.ts";
import { control, CONTROL_BYTES, controlWord } from "../../runtime/contract/control.ts";
import { withSharedMemory, PAGE_BYTES } from "../../runtime/contract/memory-import.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import {
  kernelsSource,
  layOut,
  numbersOf,
  readDense,
  rowsOf,
  workerBytesFor,
  wordRange,
  wordsOf,
  writeDense,
  type KernelLayout,
  type Words,
} from "./kernel-layout.ts";
import { joinPairs } from "./kernel-numbers.ts";

/** Bytes of canary before and after each tensor. */
const BAND_BYTES = 256;
const BAND_WORDS = BAND_BYTES / 4;
/** The word there, in outputs and in the workers' scratch before the run: as an f32 it is no number. */
export const CANARY = 0x7fa5a5a5 | 0;
/** So many workers have room in a bench's memory. */
const MOST_WORKERS = 8;

export interface Bench {
  readonly spec: KernelSpec;
  readonly source: string;
  readonly wasmBytes: number;
  /**
   * Feeds dense tensors (padding is added), runs the kernel once as `workers` workers (up to 8), one after
   * the other, and returns dense outputs. `held`: as if other programs took cores from the workers.
   */
  run(
    inputs: Record<string, Float64Array>,
    options?: { accumulate?: boolean; workers?: number; held?: boolean },
  ): Record<string, Float64Array>;
  /** Runs the kernel `times` times on what is in memory, as one worker. For timing. */
  repeat(times: number): void;
}

export const kernelBench = async (opName: string, op: Op, c: Case, target: Target): Promise<Bench> =>
  (await kernelBenches(opName, op, [c], target))[0]!;

/**
 * One module with a kernel for each case, so that asc runs once. Every bench has its own memory. `rewrite`
 * may put other text for an instruction.
 */
export async function kernelBenches(
  opName: string,
  op: Op,
  cases: readonly Case[],
  target: Target,
  compile = (wasm: Uint8Array<ArrayBuffer>) => new WebAssembly.Module(wasm),
  rewrite = (source: string) => source,
): Promise<Bench[]> {
  const layouts = cases.map((c) =>
    layOut(kernelSpec(opName, op, c.d, c.attrs ?? {}, c.with ?? [], target), CONTROL_BYTES, BAND_BYTES),
  );
  const workerBytes = workerBytesFor(layouts.map(({ spec }) => spec));
  const end = Math.max(...layouts.map((layout) => layout.end));
  const pages = Math.ceil((end + workerBytes * MOST_WORKERS) / PAGE_BYTES);
  const again = "for (let i = 0; i < times; i++)";
  const source = kernelsSource({
    layouts,
    target,
    workerBytes,
    pieces: (layout) => layout.end,
    nameOf: (i) => `${opName}_${i}`,
    entries: (i, call) =>
      [
        `export function run${i}(worker: i32, accumulate: bool): void { ${call("accumulate", "worker")}; }`,
        `export function repeat${i}(times: i32): void { ${again} ${call("false", "0")}; }`,
      ].join("\n"),
  });
  const { wasm, memoryFlagOffset } = await assemble(rewrite(source), target, pages);
  const module = compile(withSharedMemory(wasm, memoryFlagOffset, false));
  return layouts.map((layout, i) => {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const instance = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
    const exports = instance.exports as unknown as Record<string, (a: number, b: number) => void>;
    return bench(opName, layout, wordsOf(memory), {
      run: exports[`run${i}`]!,
      repeat: exports[`repeat${i}`]!,
      source,
      wasmBytes: wasm.length,
    });
  });
}

interface Compiled {
  readonly source: string;
  readonly wasmBytes: number;
  run(worker: number, accumulate: number): void;
  repeat(times: number, unused: number): void;
}

function bench(opName: string, layout: KernelLayout, words: Words, compiled: Compiled): Bench {
  const { spec, slots } = layout;
  const { i32 } = words;
  const own = slots.filter((slot) => spec.op.mutates?.[slot.name] === undefined);
  return {
    spec,
    source: compiled.source,
    wasmBytes: compiled.wasmBytes,
    run(inputs, { accumulate = false, workers = 1, held = false } = {}) {
      for (const slot of own) place(layout, slot, inputs[slot.name], accumulate, words);
      i32.fill(CANARY, layout.end / 4); // whatever another kernel has left in scratch
      i32[controlWord(control.workers)] = workers;
      i32[controlWord(control.round)] = held ? HELD : 0;
      i32[controlWord(control.turns)] = 0;
      joinPairs(spec.target);
      for (let w = 0; w < workers; w++) compiled.run(w, accumulate ? 1 : 0);
      const outputs = slots.filter((slot) => slot.output);
      return Object.fromEntries(outputs.map((slot) => [slot.name, read(opName, layout, slot, words)]));
    },
    repeat(times) {
      joinPairs(spec.target);
      compiled.repeat(times, 0);
    },
  };
}

/** Puts a tensor's numbers into memory, and canaries around it. */
function place(
  layout: KernelLayout,
  slot: TensorSlot,
  values: Float64Array | undefined,
  accumulate: boolean,
  words: Words,
): void {
  const { i32 } = words;
  const [from, to] = wordRange(layout, slot);
  i32.fill(CANARY, from - BAND_WORDS, from);
  i32.fill(CANARY, to, to + BAND_WORDS);
  // A fresh output holds what was there before, also in its padding: the kernel has to write all of it.
  i32.fill(values || accumulate ? 0 : CANARY, from, to);
  if (values) writeDense(layout, slot, values, words);
}

/**
 * A tensor's numbers. Throws where the kernel wrote outside it, or anything but zeros into its padding; a row
 * that it has not touched at all is one that was not live.
 */
function read(opName: string, layout: KernelLayout, slot: TensorSlot, words: Words): Float64Array {
  const { i32 } = words;
  const numbers = numbersOf(words, slot);
  const [from, to] = wordRange(layout, slot);
  for (let i = 0; i < BAND_WORDS; i++)
    if (i32[from - 1 - i] !== CANARY || i32[to + i] !== CANARY)
      throw new Error(`${opName} wrote outside ${slot.name}`);
  for (const { word, words: taken, from: first, to: end } of rowsOf(layout, slot)) {
    if (i32.subarray(word, word + taken).every((w) => w === CANARY)) continue;
    for (let column = end - first; column < taken; column++)
      if (numbers[word + column] !== 0)
        throw new Error(
          `${opName} left ${numbers[word + column]} in the padding of ${slot.name}, ` +
            `column ${column}, behind the ${end - first} of the row`,
        );
  }
  return readDense(layout, slot, words);
}
