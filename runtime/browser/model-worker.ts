/**
 * The model's own thread in a page: it loads, tokenizes, runs (as worker 0 of the pool) and samples, so that
 * the page stays free. Texts wait for each other at the model (call-queue.ts). Between two tokens, every few
 * milliseconds, it listens (lane.ts): whoever does not want more text says so.
 */
import { loadCheckpoint } from "../store/checkpoint.ts";
import { SinterError } from "../base/errors.ts";
import { tokenizerOfGguf } from "../formats/gguf/gguf-tokenizer.ts";
import type { GgufFile } from "../formats/gguf/gguf.ts";
import { loadPublished } from "../formats/load.ts";
import { kindOf, openPublished } from "../formats/published.ts";
import { openSafetensors } from "../formats/safetensors-weights.ts";
import { generate } from "../sample/generate.ts";
import { createModel, isSmall, type RunningModel } from "../engine/model.ts";
import { threadsSupported } from "../engine/probe.ts";
import type { Bundle } from "../engine/bundle.ts";
import { readBundle, tokenizerFor } from "../store/run-folder.ts";
import { samplerDefaults } from "../sample/sampler.ts";
import { createSession, type Session } from "../sample/session.ts";
import { openTokenizer, readTokenizer } from "../tokenizers/tokenizer-files.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { fetchFiles } from "./fetch-files.ts";
import { browserHost, checkPage, ISOLATION } from "./host.ts";
import { plainError, type FromModel, type OpenOptions, type ToModel } from "./messages.ts";

const say = (message: FromModel): void => postMessage(message);

interface Opened {
  readonly model: RunningModel;
  readonly tokenizer: Tokenizer;
  readonly session: Session;
}

/**
 * Bytes that have come in between two reports; milliseconds between two looks at what the page says while
 * weights come in.
 */
const REPORT_BYTES = 1 << 20;
const LISTEN_MS = 8;
let listened = performance.now();

/** Lets messages in, when it is time. */
async function listen(): Promise<void> {
  if (performance.now() - listened < LISTEN_MS) return;
  await browserHost.breathe();
  listened = performance.now();
}

async function open({ bundle: at, weights, tokenizer, workers, target }: OpenOptions): Promise<Opened> {
  checkPage();
  let reported = 0;
  let bytes = 0;
  const files = fetchFiles(self.location.href, {
    onProgress(path, loaded, total) {
      if (path !== weights) return;
      bytes = total;
      if (loaded < total && loaded - reported < REPORT_BYTES && loaded >= reported) return;
      reported = loaded;
      say({ kind: "progress", loaded, total });
    },
  });
  const bundle = await readBundle(files, at.replace(/\/$/, ""));
  const name = bundle.manifest.modules.infer ? "infer" : "train";
  if (workers !== undefined && workers > 1 && !threadsSupported())
    throw new SinterError(
      "input",
      `${workers} workers need shared memory, and this page has none: it is not cross-origin isolated`,
      ISOLATION,
    );
  const model = await createModel(bundle, name, {
    host: browserHost,
    workers: workers ?? (isSmall(bundle.manifest) ? 1 : undefined),
    target,
  });
  try {
    const found = await load(files, weights, model);
    say({ kind: "progress", loaded: bytes, total: bytes }); // what is left of the file is not needed here
    const own = tokenizer ?? `${at.replace(/\/$/, "")}/../tokenizer/`;
    const read = (tokenizer === undefined ? found : undefined) ?? (await tokenizerFrom(files, own, bundle));
    return { model, session: createSession(model), tokenizer: tokenizerFor(bundle.manifest.model, read) };
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

const tokenizerFrom = (
  files: ReturnType<typeof fetchFiles>,
  path: string,
  { manifest }: Bundle,
): Promise<Tokenizer> =>
  path.endsWith("/")
    ? readTokenizer(files, path.slice(0, -1), manifest.model.tokenizer)
    : openTokenizer(files, path);

/** Loads the weights. The tokenizer that came with them, if one did. */
async function load(
  files: ReturnType<typeof fetchFiles>,
  path: string,
  model: RunningModel,
): Promise<Tokenizer | undefined> {
  if ((await kindOf(files, path)) === "safetensors" && (await isCheckpoint(files, path))) {
    await loadCheckpoint(files, path, model, "weights");
    return undefined;
  }
  const published = await openPublished(files, path);
  const { file } = published;
  try {
    // stands before the weights
    const found = file.format === "gguf" ? await tokenizerOfGguf(file as GgufFile) : undefined;
    await loadPublished(model, published, listen);
    return found && "tokenizer" in found ? found.tokenizer : undefined;
  } finally {
    await file.close();
  }
}

async function isCheckpoint(files: ReturnType<typeof fetchFiles>, path: string): Promise<boolean> {
  const file = await openSafetensors(files, path);
  await file.close();
  return file.metadata.has("sinter");
}

let opened: Opened | undefined;
/** Texts that are made, or wait for those before them: how to give each up. */
const texts = new Map<number, AbortController>();
let closing = false;

async function answer({ id, prompt, options }: Extract<ToModel, { kind: "generate" }>): Promise<void> {
  const { model, tokenizer, session } = opened!;
  const stop = new AbortController();
  texts.set(id, stop);
  try {
    const { sample } = model.manifest.model;
    const all = { ...samplerDefaults, ...sample, ...options, prompt, session, signal: stop.signal };
    const result = await generate(model, tokenizer, all, (text) => say({ kind: "text", id, text }));
    say({ kind: "done", id, result });
  } catch (error) {
    say({ kind: "failed", id, error: plainError(error) });
  } finally {
    texts.delete(id);
    if (closing) await close();
  }
}

/** When the last text has ended. */
async function close(): Promise<void> {
  if (texts.size > 0) return;
  await opened?.model.close();
  say({ kind: "closed" });
}

addEventListener("message", ({ data }: MessageEvent<ToModel>) => {
  switch (data.kind) {
    case "open":
      return void open(data.options)
        .then((made) => {
          opened = made;
          const { manifest, module, target, workers, notes } = made.model;
          const { name, sizes } = manifest.model;
          const alone =
            data.options.workers === undefined && !threadsSupported()
              ? [`one worker: the page is not cross-origin isolated. ${ISOLATION}`]
              : [];
          say({
            kind: "open",
            facts: {
              name,
              parameters: manifest.parameters,
              context: sizes.context,
              vocab: sizes.vocab,
              target,
              workers,
              notes: [...notes, ...alone],
              memoryBytes: module.memoryBytes,
            },
          });
        })
        .catch((error: unknown) => say({ kind: "failed", error: plainError(error) }));
    case "generate":
      return void answer(data);
    case "stop":
      return texts.get(data.id)?.abort();
    case "close":
      closing = true;
      for (const stop of texts.values()) stop.abort();
      return void close();
  }
});
