/**
 * What the verbs that use a trained model share: opening its run with the newest weights, workers, sampler
 * settings, Ctrl-C.
 */
import { loadNewest, type Loaded } from "../../../runtime/store/checkpoint.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { decodeRate, type Generated } from "../../../runtime/sample/generate.ts";
import { toUse } from "../../../runtime/store/identity.ts";
import { createModel, isSmall, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { rateText, timeText } from "../../../runtime/contract/amounts.ts";
import { holdsRun, openRun, type Run } from "../../../runtime/store/run-folder.ts";
import { samplerDefaults, type SamplerSettings } from "../../../runtime/sample/sampler.ts";
import type { Command } from "commander";
import type { Model, SampleSettings } from "../../../runtime/contract/model.ts";
import { byteProgress, type ByteProgress } from "../terminal/progress.ts";
import {
  pathFrom,
  realOption,
  targetOption,
  textOption,
  wholeOption,
  type Options,
} from "../options/run-options.ts";
import { onFirstSignal } from "../terminal/stop-signals.ts";
import type { Io } from "../terminal/io.ts";
import {
  bundleWithWeights,
  cacheOption,
  weightsOption,
  withCacheOption,
  withWeightsOption,
} from "../options/weights.ts";

export const withRunOptions = (command: Command): Command =>
  withCacheOption(withWeightsOption(command))
    .option("--workers <n>", "threads (default: as many as help)")
    .option("--target <name>", "simd, relaxed or wide (default: the best that this machine runs)");

export const withSamplerOptions = (command: Command): Command =>
  command
    .option("-n, --tokens <n>", "most tokens to add (default: the spec's)")
    .option("--temp <t>", "divides the logits; 0: always the likeliest token (default: the spec's)")
    .option("--top-k <k>", "keep the k likeliest tokens; 0: all")
    .option("--top-p <p>", "keep the likeliest tokens that have probability p together; 1: all")
    .option("--min-p <p>", "keep tokens at least p times as likely as the likeliest; 0: all")
    .option("--repeat-penalty <r>", "divides the logits of the last 64 tokens; 1: off")
    .option(
      "--stop <text>",
      "end before this text (may be repeated)",
      (value: string, before: readonly string[] = []) => [...before, value],
    )
    .option("--seed <n>", "same seed, same text (default: the spec's)");

export interface UsedRun {
  readonly run: Run;
  readonly model: RunningModel;
  /** Step of the weights. */
  readonly step: number;
}

/** The way in for every verb: opens a run's folder, checked, and says what could not be. */
export async function openRunAt(dir: string, io: Io): Promise<Run> {
  const run = await openRun(nodeFiles(), pathFrom(io, dir), otherJson);
  for (const note of run.notes) io.err(`note: ${note}\n`);
  return run;
}

/**
 * A path that may be a run's folder, for verbs that look into one file of it: what is damaged in it is said.
 */
export async function checkIfRun(path: string, io: Io): Promise<void> {
  if (await holdsRun(nodeFiles(), pathFrom(io, path))) await openRunAt(path, io);
}

/** To make text with: a small model runs on one worker unless the user says otherwise. */
export async function useRun(dir: string, options: Options, io: Io): Promise<UsedRun> {
  const run = await openRunAt(dir, io);
  return loadRun(run, options, io, { workers: isSmall(run.bundle.manifest) ? 1 : undefined });
}

/**
 * The run's model, or a variant of it, with its newest weights. `workers`: when the user does not say;
 * undefined: all cores.
 */
export async function loadRun(
  run: Run,
  options: Options,
  io: Io,
  { workers, variant }: { readonly workers?: number | undefined; readonly variant?: Model | undefined } = {},
): Promise<UsedRun> {
  const files = nodeFiles();
  const target = targetOption(options);
  const bundle = await bundleWithWeights(
    run.bundle,
    weightsOption(options),
    target,
    variant,
    cacheOption(options),
  );
  const model = await createModel(bundle, bundle.manifest.modules.infer ? "infer" : "train", {
    host: nodeHost,
    workers: wholeOption(options, "workers", 1, 8) ?? workers,
    target,
  });
  try {
    const loaded = await loadShown(files, run, model, io);
    if (!loaded)
      throw new SinterError(
        "input",
        `${run.folder} has no checkpoint yet`,
        "Train it first: sinter train --resume --out DIR",
      );
    for (const why of loaded.skipped) io.err(`warning: skipped a checkpoint: ${why}\n`);
    return { run, model, step: loaded.state.step };
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

/** With the bytes that are read on the terminal, where it takes a while. */
async function loadShown(files: Files, run: Run, model: RunningModel, io: Io): Promise<Loaded | undefined> {
  let progress: ByteProgress | undefined;
  try {
    return await loadNewest(files, run.folder, model, {
      what: "weights",
      accept: toUse(run),
      total: (bytes) => (progress = byteProgress(io, "loading", bytes)),
      read: (bytes) => progress?.add(bytes),
    });
  } finally {
    progress?.end();
  }
}

export type Sampling = SamplerSettings & {
  readonly tokens: number;
  readonly seed: number;
  readonly stop: readonly string[];
};

/** The spec's `sample` section, and what the command line says otherwise. */
export function samplingOf(spec: SampleSettings, options: Options): Sampling {
  return {
    ...samplerDefaults,
    ...spec,
    tokens: wholeOption(options, "tokens", 0) ?? spec.tokens,
    seed: wholeOption(options, "seed", 0) ?? spec.seed,
    temperature: realOption(options, "temp", 0) ?? spec.temperature,
    topK: wholeOption(options, "top-k", 0) ?? spec.topK,
    topP: realOption(options, "top-p", 0, 1) ?? spec.topP,
    minP: realOption(options, "min-p", 0, 1) ?? spec.minP,
    repeatPenalty: realOption(options, "repeat-penalty", 1e-6) ?? spec.repeatPenalty,
    stop: (options["stop"] as readonly string[] | undefined) ?? [],
  };
}

const whenFulls = ["shift", "stop"] as const;

export function whenFullOption(
  options: Options,
  standard: (typeof whenFulls)[number],
): (typeof whenFulls)[number] {
  const text = textOption(options, "when-full") ?? standard;
  const found = whenFulls.find((w) => w === text);
  if (!found) throw new SinterError("usage", `--when-full takes ${whenFulls.join(" or ")}, not \`${text}\``);
  return found;
}

/** Ctrl-C ends what is being generated; a second one the program. */
export function untilInterrupted(): { readonly signal: AbortSignal; done(): void } {
  const stop = new AbortController();
  const heard = (): void => stop.abort();
  return { signal: stop.signal, done: onFirstSignal(["SIGINT"], heard) };
}

/** "12 prompt tokens (8 cached), first token after 31.0 ms, 64 tokens, 83.0 tok/s". */
export function speedLine(made: Generated): string {
  const rate = decodeRate(made);
  const cached = made.cachedTokens > 0 ? ` (${made.cachedTokens} cached)` : "";
  const first = `first token after ${timeText(made.prefillMs)}`;
  const speed = rate === undefined ? "" : `, ${rateText(rate)}`;
  return `${made.promptTokens} prompt tokens${cached}, ${first}, ${made.tokens.length} tokens${speed}`;
}
