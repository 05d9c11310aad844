/**
 * Finds the fastest tiles for one kernel on this machine. Every candidate is checked before it is timed.
 * Candidates take turns, so that a busy moment hits all of them, and the fastest of a candidate's samples
 * counts. A candidate has to win a second time, side by side with the default, in most of the turns.
 */
import type { Case } from "../../compiler/ops/kit/op.ts";
import type { Dims } from "../../compiler/ops/kit/signature.ts";
import type { KernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { candidates } from "../../compiler/6-tile/chosen-tiles.ts";
import { checker } from "./kernel-check.ts";
import { kernelModule, type KernelModule } from "./kernel-module.ts";
import { inputsFor } from "./kernel-numbers.ts";
import { median } from "./statistics.ts";

export interface Tuned {
  readonly tiles: Dims;
  /** Milliseconds of one call, with these tiles and with the operation's own. */
  readonly ms: number;
  readonly ownMs: number;
  readonly tried: number;
}

/** A smaller gain may be the difference between two measurements of the same thing. */
const LEAST_GAIN = 1.02;
const LEAST_SAMPLE_MS = 2;
const LEAST_TURNS = 3;
const LAST_TURNS = 7;

/**
 * `ms`: the time for measuring this kernel, without compiling. Throws when a candidate computes wrong, which
 * is a bug of ours.
 */
export async function tuneKernel(spec: KernelSpec, workers: number, ms: number): Promise<Tuned> {
  const c: Case = {
    d: spec.d,
    attrs: spec.attrs,
    with: spec.tensors.filter((t) => spec.op.tensors.find((slot) => slot.name === t)!.optional),
  };
  const sampled = inputsFor(spec.op, c);
  // tiles are for many rows
  const inputs = sampled["live"] ? { ...sampled, live: Float64Array.of(c.d[spec.op.rows!]!) } : sampled;
  const wrong = checker(spec.op, c, inputs);
  const race = async (choices: readonly Dims[], share: number, turns: number): Promise<number[][]> => {
    if (choices.length === 1) return [[0]];
    const module = await kernelModule(
      choices.map((tiles) => ({ ...spec, tiles })),
      spec.target,
      workers,
    );
    try {
      module.load(0, inputs); // all have the same tensors at the same places
      for (const [i, tiles] of choices.entries()) {
        module.clear(i);
        const said = wrong(await module.run(i, workers));
        if (said)
          throw new Error(`${spec.opName} ${JSON.stringify(spec.d)} with ${JSON.stringify(tiles)}: ${said}`);
      }
      return await takeTurns(module, choices.length, workers, ms * share, turns);
    } finally {
      await module.close();
    }
  };
  const first = candidates(spec);
  const best = first[fastest(await race(first, 0.35, LEAST_TURNS))]!;
  const second = candidates(spec, best);
  const tiles = second[fastest(await race(second, 0.45, LEAST_TURNS))]!;
  const tried = first.length + second.length - 1;
  if (JSON.stringify(tiles) === JSON.stringify(spec.tiles)) return { tiles, ms: 0, ownMs: 0, tried };
  const [own, other] = (await race([spec.tiles, tiles], 0.2, LAST_TURNS)) as [number[], number[]];
  const gain = Math.min(
    Math.min(...own) / Math.min(...other),
    median(own.map((ms, turn) => ms / other[turn]!)),
  );
  const ownMs = Math.min(...own);
  return gain >= LEAST_GAIN
    ? { tiles, ms: ownMs / gain, ownMs, tried }
    : { tiles: spec.tiles, ms: ownMs, ownMs, tried };
}

/** Milliseconds of one call, for each kernel and turn. All kernels have the same tensors. */
async function takeTurns(
  module: KernelModule,
  kernels: number,
  workers: number,
  ms: number,
  turns: number,
): Promise<number[][]> {
  const times = Array.from({ length: kernels }, () => [] as number[]);
  const calls: number[] = [];
  for (let i = 0; i < kernels; i++) {
    await module.repeat(i, workers, 1); // the first call warms up
    const once = await module.repeat(i, workers, 1);
    calls.push(Math.max(1, Math.round(LEAST_SAMPLE_MS / Math.max(once, 1e-3))));
  }
  for (let turn = 0, until = performance.now() + ms; turn < turns || performance.now() < until; turn++)
    for (let i = 0; i < kernels; i++)
      times[i]!.push((await module.repeat(i, workers, calls[i]!)) / calls[i]!);
  return times;
}

function fastest(times: readonly (readonly number[])[]): number {
  const fewest = times.map((own) => Math.min(...own));
  return fewest.indexOf(Math.min(...fewest));
}
