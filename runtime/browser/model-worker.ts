/**
 * The model's own thread in a page: it loads, tokenizes, runs (as worker 0 of the pool) and samples, so that
 * the page stays free. Texts wait for each other at the model (engine/call-queue.ts). Between two tokens,
 * every few milliseconds, the thread takes in messages (engine/lane.ts), such as the one that stops a text.
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
import { plainError, type FromModel, type ModelFacts, type OpenOptions, type ToModel } from "./messages.ts";

const say = (message: FromModel): void => postMessage(message);

interface Opened {
  readonly model: RunningModel;
  readonly tokenizer: Tokenizer;
  readonly session: Session;
}

/** So many bytes come in between two reports of progress. */
const REPORT_BYTES = 1 << 20;
/** While weights come in, messages of the page are taken in every so many milliseconds. */
const LISTEN_MS = 8;

/** Returns a function that lets messages in, when it is time. */
function listener(): () => Promise<void> {
  let listened = performance.now();
  return async () => {
    if (performance.now() - listened < LISTEN_MS) return;
    await browserHost.breathe();
    listened = performance.now();
  };
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
  const bundle = typeof at === "string" ? await readBundle(files, at.replace(/\/$/, "")) : at;
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
    say({ kind: "progress", loaded: bytes, total: bytes }); // the rest of the file is not needed here
    const own =
      tokenizer ??
      (typeof at === "string"
        ? `${at.replace(/\/$/, "")}/../tokenizer/`
        : new URL("tokenizer/", weights).href);
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
  { manifest }: Pick<Bundle, "manifest">,
): Promise<Tokenizer> =>
  path.endsWith("/")
    ? readTokenizer(files, path.slice(0, -1), manifest.model.tokenizer)
    : openTokenizer(files, path);

/** Loads the weights, and returns the tokenizer that came with them, if one did. */
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
    // it comes before the weights in the file
    const found = file.format === "gguf" ? await tokenizerOfGguf(file as GgufFile) : undefined;
    await loadPublished(model, published, listener());
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

/** Answers the page's messages. */
class ModelService {
  #opened: Opened | undefined;
  /** How to give up each text that is being made, or waits for those before it. */
  readonly #texts = new Map<number, AbortController>();
  #closing = false;

  hear(message: ToModel): void {
    switch (message.kind) {
      case "open":
        return void this.#open(message.options);
      case "generate":
        return void this.#generate(message);
      case "stop":
        return this.#texts.get(message.id)?.abort();
      case "close":
        this.#closing = true;
        for (const stop of this.#texts.values()) stop.abort();
        return void this.#closeWhenIdle();
    }
  }

  async #open(options: OpenOptions): Promise<void> {
    try {
      this.#opened = await open(options);
      say({ kind: "open", facts: factsOf(this.#opened.model, options) });
    } catch (error) {
      say({ kind: "failed", error: plainError(error) });
    }
  }

  async #generate({ id, prompt, options }: Extract<ToModel, { kind: "generate" }>): Promise<void> {
    const { model, tokenizer, session } = this.#opened!;
    const stop = new AbortController();
    this.#texts.set(id, stop);
    try {
      const { sample } = model.manifest.model;
      const all = { ...samplerDefaults, ...sample, ...options, prompt, session, signal: stop.signal };
      const result = await generate(model, tokenizer, all, (text) => say({ kind: "text", id, text }));
      say({ kind: "done", id, result });
    } catch (error) {
      say({ kind: "failed", id, error: plainError(error) });
    } finally {
      this.#texts.delete(id);
      if (this.#closing) await this.#closeWhenIdle();
    }
  }

  /** Closes the model when the last text has ended. */
  async #closeWhenIdle(): Promise<void> {
    if (this.#texts.size > 0) return;
    await this.#opened?.model.close();
    say({ kind: "closed" });
  }
}

function factsOf(
  { manifest, target, workers, memoryBytes, notes }: RunningModel,
  options: OpenOptions,
): ModelFacts {
  const { name, sizes } = manifest.model;
  const isAlone = options.workers === undefined && !threadsSupported();
  return {
    name,
    parameters: manifest.parameters,
    context: sizes.context,
    vocab: sizes.vocab,
    target,
    workers,
    notes: [
      ...notes,
      ...(isAlone ? [`one worker: the page is not cross-origin isolated. ${ISOLATION}`] : []),
    ],
    memoryBytes,
  };
}

const service = new ModelService();
addEventListener("message", ({ data }: MessageEvent<ToModel>) => service.hear(data));
