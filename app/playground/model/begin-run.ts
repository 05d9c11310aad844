/** A run begins in the page, or one that an earlier visit has left goes on with the same bits. */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import type { TrainSettings } from "../../../runtime/contract/model.ts";
import type { Host } from "../../../runtime/engine/host.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { blobFiles } from "../../../runtime/browser/blob-files.ts";
import { loadPublished } from "../../../runtime/formats/load.ts";
import { openPublished } from "../../../runtime/formats/published.ts";
import { loadNewest, saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { identityOf, toGoOnWith } from "../../../runtime/store/identity.ts";
import { beginRun, textRuleOf } from "../../../runtime/store/run-folder.ts";
import { openLog, type TrainLog } from "../../../runtime/train/log.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { batchSource, type BatchSource } from "../../../runtime/train/sources/batch-source.ts";
import { openCorpus } from "../../../runtime/train/sources/corpus.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { DataTokens, PublishedFiles, RunToOpen } from "./model-calls.ts";
import { OpenedRun } from "./opened-run.ts";
import { newPageRun, openPageRun, writeMoves, type PageRun } from "./run-contents.ts";

/** Where runs of the page live. */
export interface Place {
  readonly host: Host;
  /** Undefined: the browser keeps no files here; the run ends with its tab. */
  readonly files: Files | undefined;
}

export interface Begun {
  readonly opened: OpenedRun;
  readonly tokens: DataTokens;
}

/** Throws `input` where the text, the settings or the target do not go with the model. */
export async function beginRunIn({ host, files }: Place, asked: RunToOpen, folder: string): Promise<Begun> {
  const page = await newPageRun(asked, folder, host);
  const { run } = page;
  const data = await dataOf(page);
  const { seed } = run.record.settings;
  const model = await createModel(run.bundle, "train", {
    host,
    workers: asked.workers,
    target: asked.target,
    seed,
  });
  try {
    if (asked.weights) await load(asked.weights, model, host);
    const identity = await identityOf(run, { train: model.module }, asked.target);
    if (files) {
      await files.makeFolder(folder);
      if (asked.weights) {
        const state = { step: 0, tokens: 0, batches: randomStream(seed, "batches").state(), identity };
        await saveCheckpoint(files, folder, model, state, 1);
      }
      await writeMoves(files, folder, page.moves).then(() => beginRun(files, run, page.contents));
    }
    const log = files
      ? await openLog(files, folder, { step: 0, ofStage: false, now: () => new Date() })
      : logInMemory();
    const parts = { ...page, model, host, files, batches: data.source, identity, log, from: undefined };
    return { opened: new OpenedRun(parts), tokens: data.tokens };
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

/** Goes on where the newest whole checkpoint of the folder was written, or begins where there is none. */
export async function restoreRunIn(
  { host, files }: { readonly host: Host; readonly files: Files },
  folder: string,
  workers: number,
): Promise<Begun> {
  const page = await openPageRun(files, folder);
  const { run } = page;
  const { settings, target } = run.record;
  const data = await dataOf(page);
  const model = await createModel(run.bundle, "train", { host, workers, target, seed: settings.seed });
  try {
    const identity = await identityOf(run, { train: model.module }, model.target);
    const accept = toGoOnWith(identity);
    const from = (await loadNewest(files, folder, model, { what: "all", accept }))?.state;
    const log = await openLog(files, folder, {
      step: from?.step ?? 0,
      ofStage: false,
      now: () => new Date(),
    });
    const parts = { ...page, model, host, files, batches: data.source, identity, log, from };
    return { opened: new OpenedRun(parts), tokens: data.tokens };
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

async function dataOf({ run, text }: PageRun): Promise<{ source: BatchSource; tokens: DataTokens }> {
  const { record, bundle, tokenizer } = run;
  const { vocab } = bundle.manifest.model.sizes;
  const train: TrainSettings = record.settings;
  const corpus = openCorpus(text, { tokenizer, vocab, train, rule: textRuleOf(record) });
  const parts = corpus.split(train.heldOut);
  return {
    source: batchSource(parts, corpus, record.data.sha256),
    tokens: { train: parts.train.tokens, heldOut: parts.heldOut.tokens },
  };
}

/** Brings a published model's weights into this one. Throws `input` where they do not fit. */
async function load({ files, name }: PublishedFiles, model: RunningModel, host: Host): Promise<void> {
  const published = await openPublished(blobFiles(files), name);
  try {
    await loadPublished(model, published, host.breathe);
  } catch (cause) {
    if (!(cause instanceof SinterError)) throw cause;
    throw new SinterError(cause.kind, `${name}: ${cause.message}`, cause.hint);
  } finally {
    await published.file.close();
  }
}

/** Where no files are kept. */
function logInMemory(): TrainLog {
  const events: TrainEvent[] = [];
  return { events, add: (event) => void events.push(event), flush: async () => {} };
}
