/**
 * A run, or a file of a published model, as a server's pool opens it: first what it takes, then the module
 * with a lane for each text, and the weights. It is opened anew where it has failed.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Opened } from "../../server/pool/pool.ts";
import { LOOK_MS } from "../../server/follow.ts";
import type { RenewedFacts, ServedFacts } from "../../server/pool/serving.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { refuseBeyond } from "../../../runtime/engine/machine-memory.ts";
import { rowEntries } from "../../../runtime/contract/entries.ts";
import type { Numerics } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { checkpointFile, listCheckpoints } from "../../../runtime/store/checkpoint.ts";
import { holdsRun, readText, type Run } from "../../../runtime/store/run-folder.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import { formatOfRun, formatToAsk } from "./run-format.ts";
import { inferMemory, type InferMemory } from "../options/memory-plan.ts";
import type { AskedFormat, RunOptions } from "../options/run-options.ts";
import { weightsIn } from "../options/weights.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import { weigh } from "./fingerprint.ts";
import { importPublished } from "./import-published.ts";
import { loraBeside, type OpenedAdapter } from "./adapters.ts";
import { adapterAsked, loadToSample, openRunAt, workersToSample, type UsedRun } from "./use-run.ts";

export interface ServeOptions extends RunOptions {
  /** Texts that grow at once, each with its context. */
  readonly lanes: number;
  /** Undefined: the model's. */
  readonly context: number | undefined;
  readonly alias: string | undefined;
  readonly chatFormat: AskedFormat | undefined;
  /** The run is still training: newer weights are on their way. */
  readonly follow: boolean;
}

/** What is known before the model is loaded. */
export interface ServedRun {
  readonly name: string;
  readonly memory: InferMemory;
  /** Whether it brings a chat format along, or one was named. */
  readonly knowsChats: boolean;
  open(): Promise<Opened>;
  /** The step of the newest checkpoint. Undefined: there is none. */
  newest(): Promise<number | undefined>;
  /** Puts the newest weights into the model that was opened last. */
  renew(): Promise<RenewedFacts>;
  close(): void;
}

/**
 * Opens a run's folder; imports anything else into a folder that `close` removes. Throws `memory` where the
 * machine has not as much as it takes.
 */
export async function serveRun(path: string, asked: ServeOptions, io: Io): Promise<ServedRun> {
  const source = pathFrom(io, path);
  if (await holdsRun(nodeFiles(), source)) return servedFrom(path, asked, io, () => {});
  if (asked.follow)
    throw new SinterError("usage", `--follow: ${path} is no run's folder, and will not change`);
  const folder = mkdtempSync(join(tmpdir(), "sinter-serve-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const target = asked.target ?? (await bestTarget(nodeHost));
    const run = join(folder, "run");
    await importFor(source, run, { ...asked, target }, io);
    const alias = asked.alias ?? basename(source).replace(/\.(?:gguf|safetensors|bin)$/, "");
    return await servedFrom(run, { ...asked, alias, target, context: undefined }, io, remove);
  } catch (cause) {
    remove();
    throw cause;
  }
}

async function importFor(
  source: string,
  folder: string,
  { lanes, context, target }: ServeOptions,
  io: Io,
): Promise<void> {
  const { notes } = await importPublished(source, {
    files: nodeFiles(),
    folder,
    context,
    target,
    memoryLimit: undefined,
    lanes,
    entries: rowEntries,
    dtype: undefined,
    tiles: undefined,
    io,
  });
  for (const note of notes) io.err(`note: ${note}\n`);
}

async function servedFrom(path: string, asked: ServeOptions, io: Io, remove: () => void): Promise<ServedRun> {
  const run = await openRunAt(path, io);
  const target = asked.target ?? (await bestTarget(nodeHost));
  const variant = withContext(run.bundle.manifest.model, asked.context);
  const options = { ...asked, target, numerics: numericsFor(run, asked), entries: rowEntries };
  const opened = await adapterAsked(run, options, io);
  const memory = memoryFor(run, { ...options, opened }, variant);
  const spec = await readText(nodeFiles(), `${run.folder}/spec.sinter`);
  const name = asked.alias ?? basename(run.folder);
  const formats: ChatFormat[] = [];
  const formatOf = (asking: Run): ChatFormat => {
    const format = formatToAsk(asking, asked.chatFormat, io);
    formats.push(format);
    return format;
  };
  const newest = async (): Promise<number | undefined> =>
    (await listCheckpoints(nodeFiles(), run.folder))[0]?.step;
  let format: ChatFormat | undefined;
  let adapter: ServedFacts["adapter"];
  let used: UsedRun | undefined;
  return {
    name,
    memory,
    knowsChats: asked.chatFormat !== undefined || hasFormat(run),
    async open() {
      // a training that has just begun has no weights yet
      while (asked.follow && (await newest()) === undefined) await sleep(LOOK_MS, undefined, { ref: false });
      used = await loadToSample(run, options, io, { variant, beside: true, opened });
      format ??= formatOf(run);
      if (asked.adapter !== undefined)
        adapter ??= { name: adapterName(asked.adapter, name), format: formatOf(used.run) };
      const { model, step } = used;
      const facts = { tokenizer: run.tokenizer, format, name, adapter, spec, created: made(run, step) };
      return { model, facts: { ...facts, ...weigh(model), step } };
    },
    newest,
    async renew() {
      const step = await used!.renew();
      return { ...weigh(used!.model), step, created: made(run, step) };
    },
    close() {
      for (const opened of formats) opened.close();
      remove();
    },
  };
}

/** The folder's name, made another one where it is the base's. */
const adapterName = (path: string, base: string): string =>
  basename(path) === base ? `${base}-adapter` : basename(path);

function hasFormat(run: Run): boolean {
  const format = formatOfRun(run);
  format?.close();
  return format !== undefined;
}

/** The same text has the same bits beside any others: what a server promises, unless `float` is asked for. */
const numericsFor = ({ bundle }: Run, { numerics }: RunOptions): Numerics | undefined =>
  numerics ?? (bundle.manifest.modules.infer?.numerics === "consistent" ? undefined : "consistent");

/** The model with a shorter context. Undefined: it stays as it is. */
function withContext(model: Model, context: number | undefined): Model | undefined {
  const { sizes, embed, name } = model;
  if (context === undefined || context === sizes.context) return undefined;
  if (context > sizes.context)
    throw new SinterError("usage", `--ctx-size is at most ${name}'s context, ${sizes.context}`);
  if (embed.position)
    throw new SinterError(
      "usage",
      `--ctx-size ${context}: ${name} has learned ${sizes.context} positions, and its context is fixed`,
    );
  return { ...model, sizes: { ...sizes, context } };
}

interface PlannedOptions extends ServeOptions {
  readonly target: Target;
  readonly opened: OpenedAdapter | undefined;
}

function memoryFor(run: Run, asked: PlannedOptions, variant: Model | undefined): InferMemory {
  const { target, weights = weightsIn(run.bundle), cache, numerics, lanes } = asked;
  const lora = loraBeside(run.bundle, asked.opened?.adapter, true);
  const options = { targets: [target], weights, cache, numerics, lanes, entries: rowEntries, lora };
  const model = variant ?? run.bundle.manifest.model;
  const memory = inferMemory(model, options, workersToSample(run, asked), nodeHost.cores);
  const { bytes, cacheBytes } = memory;
  const needed = { "keys and values": cacheBytes, "weights and the rest": bytes - cacheBytes };
  refuseBeyond(
    `${model.name} with ${lanes} texts at once`,
    needed,
    nodeHost.machineMemory(),
    "Fewer texts (--parallel), a shorter context (--ctx-size), fewer bits (--weights q8_0, --cache q8_0).",
  );
  return memory;
}

/** When the weights were written, in seconds since 1970. */
const made = ({ folder }: Run, step: number): number =>
  Math.floor((statSync(`${folder}/${checkpointFile(step)}`, { throwIfNoEntry: false })?.mtimeMs ?? 0) / 1000);
