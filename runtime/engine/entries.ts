/**
 * A module that is ready to run: its tensors and entries by name. An entry of a module that is cut into
 * partitions is a chain of the partitions' entries, one after the other; the rows that leave one (`x_out`)
 * are copied to where the next expects them (`x_in`). Where the chain goes back, in training, cotangents of
 * these rows go the other way. Where tokens are drawn, the chain runs again and again.
 */
import { controlWord, HYPER_FLOATS } from "../contract/control.ts";
import {
  carried,
  loopField,
  type Carried,
  type EntryName,
  type InputName,
  type TensorName,
} from "../contract/entries.ts";
import type { EntryPlace, Manifest, ModuleManifest } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";
import { totalNorm } from "./gradient-norm.ts";
import type { Pool } from "./host.ts";
import { tensorOf, type Partition } from "./partitions.ts";
import { tensorIn, type Tensor } from "./tensors.ts";
import type { WorkerChoices } from "./worker-choice.ts";

/** What entries are made of: the results of the steps before (model.ts). */
export interface EntriesSource {
  readonly manifest: Manifest;
  readonly module: ModuleManifest;
  readonly partitions: readonly Partition[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly pool: Pool;
  /** How many workers take part in what; undefined: all in everything. */
  readonly choices?: WorkerChoices | undefined;
}

/** What says how long a run of an entry takes. */
interface RunSize {
  /** What else than the number of rows. */
  readonly also?: number;
  /** After the run: by how much its time is to be divided, to compare it with others. */
  readonly units?: () => number;
}

export class Entries {
  readonly manifest: Manifest;
  readonly module: ModuleManifest;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #partitions: readonly Partition[];
  readonly #pool: Pool;
  readonly #choices: WorkerChoices | undefined;
  /** Each partition's memory as words, for its control block. */
  readonly #words: readonly Int32Array[];
  /** The table `hyper` of each partition. */
  readonly #hyper: readonly Float32Array[];
  readonly #ends: readonly Readonly<Record<Carried, Ends>>[];
  readonly #inputs: ReadonlyMap<string, readonly Int32Array[]>;

  constructor({ manifest, module, partitions, tensors, pool, choices }: EntriesSource) {
    this.manifest = manifest;
    this.module = module;
    this.#tensors = tensors;
    this.#partitions = partitions;
    this.#pool = pool;
    this.#choices = choices;
    this.#words = partitions.map(({ memory }) => new Int32Array(memory.buffer));
    this.#hyper = partitions.map(
      ({ memory }) => new Float32Array(memory.buffer, manifest.control.hyper, HYPER_FLOATS),
    );
    if (module.parts && this.find("train"))
      for (const [i, part] of module.parts.entries())
        this.#hyper[i]![manifest.hyper.layer] = firstLayer(part);
    this.#ends = partitions.map(endsOf);
    this.#inputs = inputsOf(partitions);
  }

  findTensor(name: TensorName): Tensor | undefined {
    return this.#tensors.get(name);
  }

  tensor(name: TensorName): Tensor {
    return this.tensorNamed(name);
  }

  findNamed(name: string): Tensor | undefined {
    return this.#tensors.get(name);
  }

  /** A tensor whose name the manifest gives. */
  tensorNamed(name: string): Tensor {
    const found = this.#tensors.get(name);
    if (!found) throw new SinterError("bug", `the module has no tensor "${name}"`);
    return found;
  }

  /** An input that every partition may have: all of them, as words. */
  words(name: InputName): readonly Int32Array[] {
    return this.#inputs.get(name) ?? [];
  }

  find(name: EntryName): EntryPlace | undefined {
    return this.module.entries.find((entry) => entry.name === name);
  }

  get(name: EntryName): EntryPlace {
    const found = this.find(name);
    if (!found) throw new SinterError("bug", `the module has no entry "${name}"`);
    return found;
  }

  /** Writes a field of the control block, in every partition. `field` is its byte offset. */
  setControl(field: number, value: number): void {
    for (const words of this.#words) words[controlWord(field)] = value;
  }

  /** A field of the control block, as an i32; all partitions have the same. */
  control(field: number): number {
    return this.#words[0]![controlWord(field)]!;
  }

  /** Writes a number of the table `hyper`, in every partition. */
  setHyper(name: HyperName, value: number): void {
    for (const numbers of this.#hyper) numbers[this.manifest.hyper[name]] = value;
  }

  /** A number of the table `hyper`; all partitions have the same. */
  hyper(name: HyperName): number {
    return this.#hyper[0]![this.manifest.hyper[name]]!;
  }

  /** Runs an entry to its end. `rows`: how many rows of x there are to be carried between partitions. */
  run(entry: EntryPlace, rows = entry.batch * entry.context, size: RunSize = {}): Promise<void> {
    return this.#choices ? this.#runTimed(entry, rows, size, this.#choices) : this.#runOn(entry, rows);
  }

  async #runTimed(entry: EntryPlace, rows: number, size: RunSize, choices: WorkerChoices): Promise<void> {
    const choice = await choices.of(`${entry.name} ${rows} ${size.also ?? ""}`.trimEnd());
    const began = performance.now();
    await this.#runOn(entry, rows, choice.workers);
    choice.took((performance.now() - began) / (size.units?.() ?? 1));
  }

  #runOn(entry: EntryPlace, rows: number, workers?: number): Promise<void> {
    if (!this.module.parts) return this.#pool.run(entry, 0, workers);
    const loops = entry.name === ("generate" satisfies EntryName);
    return loops ? this.#runLoop(entry, rows, workers) : this.#runChain(entry, rows, workers);
  }

  /** The memory that draws tokens is not the one that embeds them: the host hands them on. */
  async #runLoop(entry: EntryPlace, rows: number, workers: number | undefined): Promise<void> {
    const { loop } = this.manifest.control;
    const last = entry.runs!.at(-1)!.part;
    do {
      await this.#runChain(entry, rows, workers);
      this.#handOn(last);
    } while (this.control(loop + 4 * loopField.more) !== 0);
  }

  /** The next run of `generate`, as the partition that draws has written it, for all others. */
  #handOn(from: number): void {
    const { rows, spanCount, loop } = this.manifest.control;
    const drawn = this.#words[from]!;
    for (const field of [rows, spanCount, loop + 4 * loopField.steps, loop + 4 * loopField.more])
      this.setControl(field, drawn[controlWord(field)]!);
    this.#copyInput("next_tokens", "tokens", from);
    this.#copyInput("positions", "positions", from);
    this.#copyInput("spans", "spans", from);
  }

  /** The words of a partition's input, to the same or another input of all partitions. */
  #copyInput(name: InputName, to: InputName, from: number): void {
    const words = tensorOf(this.#partitions[from]!, name)!.padded() as Int32Array;
    for (const input of this.words(to)) input.set(words.subarray(0, input.length));
  }

  async #runChain({ runs = [] }: EntryPlace, rows: number, workers: number | undefined): Promise<void> {
    const updates = this.control(this.manifest.control.update) !== 0;
    let hasNorm = false;
    for (const [i, { part, entry, takes = "x" }] of runs.entries()) {
      if (takes === "norm") {
        if (!updates) continue;
        if (!hasNorm) totalNorm(this.module, this.#partitions);
        hasNorm = true;
      } else if (i > 0) this.#carry(takes, runs[i - 1]!.part, part, rows);
      const found = this.#partitions[part]!.manifest.entries.find(({ name }) => name === entry)!;
      await this.#pool.run(found, part, workers);
    }
  }

  #carry(what: Carried, from: number, to: number, rows: number): void {
    const source = this.#ends[from]![what].out!;
    this.#ends[to]![what].in!.padded().set(source.padded().subarray(0, rows * source.place.rowFloats));
  }
}

/** The inputs of integers by name, in each partition that has them. */
function inputsOf(partitions: readonly Partition[]): ReadonlyMap<string, readonly Int32Array[]> {
  const inputs = partitions.flatMap(({ manifest, memory }) =>
    manifest.tensors
      .filter(({ storage, dtype }) => storage === "input" && dtype === "i32")
      .map((place) => [place.name, tensorIn(memory.buffer, place).padded() as Int32Array] as const),
  );
  return new Map(
    [...Map.groupBy(inputs, ([name]) => name)].map(([name, all]) => [name, all.map(([, words]) => words)]),
  );
}

/** The numbers that are the same in all partitions. */
export type HyperName = Exclude<keyof Manifest["hyper"], "layer">;

/** The number of a partition's first layer. */
const firstLayer = ({ tensors }: ModuleManifest): number =>
  Math.max(0, ...tensors.map((place) => place.firstLayer ?? 0));

/** Where something comes into a partition, and where it leaves it. */
interface Ends {
  readonly in: Tensor | undefined;
  readonly out: Tensor | undefined;
}

const endsOf = (partition: Partition): Readonly<Record<Carried, Ends>> => ({
  x: endsOfOne(partition, "x"),
  cotangent: endsOfOne(partition, "cotangent"),
});

const endsOfOne = (partition: Partition, what: Carried): Ends => ({
  in: tensorOf(partition, carried[what].in),
  out: tensorOf(partition, carried[what].out),
});
